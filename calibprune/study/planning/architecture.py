"""The sizes of a model, found without its weights: from a checkpoint's configuration, or a table of published ones."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.errors import ModelError, quoted
from calibprune.files import expanded
from calibprune.models.identity import fingerprint
from calibprune.models.packaged import PACKAGED
from calibprune.study.planning.counts import GEMMA_3_270M, LLAMA_3_8B, Shape

LARGEST = 2**24
"""A size above it is not believed; the largest vocabularies have some 2¹⁸ tokens."""
LONGEST = 10**6
"""Bytes of a configuration; one that is longer is not read."""
PATIENCE = 5.0
"""Seconds that the hub may take to answer for a file of a few thousand bytes."""


class Architecture(NamedTuple):
    """The sizes of a model.

    Attributes:
        shape: of its decoder layers.
        vocabulary: rows of the embedding.
        tied: whether the output layer has the embedding's weights.
    """

    shape: Shape
    vocabulary: int
    tied: bool

    @property
    def parameters(self) -> int:
        """All weights but those of norms and biases, which are less than a thousandth."""
        return self.shape.parameters + self.vocabulary * self.shape.width * (1 if self.tied else 2)


# Published configurations (config.json on the hub) of the models in params/, some of which ask for an account.
_LLAMA_70B = Shape("llama3-70b", 80, 8192, 8192, 1024, 28672)
_AYA_8B = Shape("aya23-8b", 32, 4096, 4096, 1024, 14336)
_AYA_35B = Shape("aya23-35b", 40, 8192, 8192, 8192, 22528)
_SMOLLM = Shape("smollm2-135m", 30, 576, 576, 192, 1536)
KNOWN = {
    "gemma3-270m": Architecture(GEMMA_3_270M, 262144, True),
    "smollm2-135m": Architecture(_SMOLLM, 49152, True),
    "meta-llama/Meta-Llama-3-8B-Instruct": Architecture(LLAMA_3_8B, 128256, False),
    "meta-llama/Llama-3.1-8B-Instruct": Architecture(LLAMA_3_8B, 128256, False),
    "meta-llama/Meta-Llama-3-70B-Instruct": Architecture(_LLAMA_70B, 128256, False),
    "CohereForAI/aya-23-8B": Architecture(_AYA_8B, 256000, True),
    "CohereForAI/aya-23-35B": Architecture(_AYA_35B, 256000, True),
}


class Model(NamedTuple):
    """What is known of a model without loading it.

    Attributes:
        architecture: None where its configuration is not to be had.
        fingerprint: as `models.identity.fingerprint`; "" where its weights are not on this machine, so that the ids of
            its cells are not known either.
        note: in words what is not known, and why; "" where nothing is missing.
    """

    architecture: Architecture | None
    fingerprint: str
    note: str = ""


def find(name: str) -> Model:
    """What is known of the model of that name: a packaged one, a local folder, a GGUF file or a hub id.

    No weights are fetched or loaded. Of a hub id that is neither in the hub's cache nor in `KNOWN`, the configuration
    is asked of the hub, once.

    Raises:
        ModelError: a local folder whose configuration cannot be read, or a name that is none.
    """
    if name in PACKAGED:
        return Model(KNOWN[name], fingerprint(name))
    path = expanded(name, ModelError)
    if path.is_dir():
        if not any(path.glob("*.safetensors")):
            return Model(_of_folder(path), "", f"{name}: has no weights, and the ids of its cells hold their checksum")
        return Model(_of_folder(path), fingerprint(name))
    if path.is_file():
        return Model(None, fingerprint(name), f"{name}: the sizes in a GGUF file are not read beforehand")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(
            f"unknown model {quoted(name)}: choose one of {', '.join(PACKAGED)}, a local folder, or a hub id"
        )
    if (folder := _in_the_hubs_cache(name)) is not None:
        return Model(_of_folder(folder), fingerprint(folder))
    away = f"{name}: its weights are not on this machine, and the ids of its cells hold their checksum"
    if name in KNOWN:
        return Model(KNOWN[name], "", away)
    if (config := _from_the_hub(name)) is not None:
        return Model(_of_config(config, f"{name}/config.json", name), "", away)
    return Model(None, "", f"{name}: neither on this machine nor to be had from the hub")


def _of_folder(folder: Path) -> Architecture:
    """Raises ModelError as `_of_config`, or where there is no configuration."""
    path = folder / "config.json"
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise ModelError(f"{path}: the model's sizes cannot be read ({error.strerror}); correct the file") from None
    return _of_config(text, str(path), str(folder))


def _of_config(text: bytes, where: str, name: str) -> Architecture:
    """Sizes from what a config.json holds; of a model that also sees, those of its text decoder.

    Raises:
        ModelError: it is no configuration, or a size in it is none.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError("it is longer than any configuration")
        config = json.loads(text)
        own = config.get("text_config") or config
        width, heads = _size(own, "hidden_size"), _size(own, "num_attention_heads")
        head = _size(own, "head_dim", width // heads)
        shape = Shape(
            name,
            _size(own, "num_hidden_layers"),
            width,
            heads * head,
            _size(own, "num_key_value_heads", heads) * head,
            _size(own, "intermediate_size"),
        )
        tied = own.get("tie_word_embeddings", config.get("tie_word_embeddings"))
        if tied is None:  # what transformers takes where a configuration does not say
            tied = str(own.get("model_type", "")).startswith(("gemma", "cohere"))
        return Architecture(_by_its_name(shape), _size(own, "vocab_size"), bool(tied))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(f"{where}: the model's sizes cannot be read ({reason}); correct the file") from None


def _size(config: dict[str, Any], name: str, default: int | None = None) -> int:
    value = config.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST:
        raise ValueError(f"{name} is {quoted(value)}")
    return value


def _by_its_name(shape: Shape) -> Shape:
    """The shape under the name that measurements know it by, where it is one of those in the table."""
    same = [known.shape for known in KNOWN.values() if known.shape[1:] == shape[1:]]
    return same[0] if same else shape


def _in_the_hubs_cache(name: str) -> Path | None:
    """The folder of a hub id whose configuration and weights are in the hub's cache, complete or not."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except Exception:  # the hub's client has classes of several libraries for what is not there
        return None
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def _from_the_hub(name: str) -> bytes | None:
    """The configuration of a hub id, of a few thousand bytes; None where it is not to be had."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    try:
        # not `hf_hub_download`, which tries a hub that is not there for half a minute
        request = get_session().stream(
            "GET", hf_hub_url(name, "config.json"), headers=build_hf_headers(), timeout=PATIENCE, follow_redirects=True
        )
        with request as answer:
            answer.raise_for_status()
            return next(answer.iter_bytes(LONGEST + 1), b"")
    except Exception:  # as above: no such name, no access, no network
        return None
