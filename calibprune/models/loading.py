"""Model names to weights: packaged checkpoints, local folders and hub ids."""

import contextlib
import errno
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from calibprune.errors import ModelError, out_of_memory, quoted
from calibprune.files import cache_dir, expanded, file_sha256, follow_umask, held
from calibprune.models.blobs import check_downloaded
from calibprune.models.families import TEXT_PARTS, TextPart, check_family
from calibprune.models.packaged import PACKAGED, Packaged
from calibprune.models.quiet import quiet
from calibprune.models.soundness import check_loaded, check_numbers, check_settings, tensors_of_gguf, unknown_in_gguf

CHECKSUM = "checksum.json"
VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken", "tekken.json")
"""The files that tokenizers keep their tokens in."""
_NAMES = f"one of {', '.join(PACKAGED)}, a local folder, or a hub id"
_TOKENIZER_AND_WEIGHTS = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


def load(name: str | os.PathLike, device: str | torch.device = "auto", dtype: str | torch.dtype = "auto"):
    """Load a model and its tokenizer, ready to be pruned.

    Of Gemma 3 with vision, the text decoder alone is loaded.

    Args:
        name: a packaged checkpoint (`gemma3-270m`, `smollm2-135m`), a local folder with a Hugging Face checkpoint, a
            `.gguf` file, or a hub id.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", …
        dtype: "auto" (bfloat16 where the device multiplies it natively, else float32), "bfloat16", "float16",
            "float32", or a torch dtype.

    Returns:
        (model in evaluation mode, tokenizer).

    Raises:
        ModelError: the model is not known, not to be had, damaged, not of a supported architecture, has no
        safetensors or GGUF weights, or its weights are not those of its configuration or not all finite.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    found = locate(name)
    where = resolve_device(device)
    numbers = resolve_dtype(dtype, where)
    with quiet(), as_model_error(name):
        settings = {
            "dtype": numbers,
            "trust_remote_code": False,
            "local_files_only": True,
            "output_loading_info": True,
            "ignore_mismatched_sizes": True,  # `check_loaded` refuses them, by name
        }
        if found.is_file():  # a GGUF file
            part = None
            source = {"gguf_file": found.name}
            names = tensors_of_gguf(found)
            model, loaded = AutoModelForCausalLM.from_pretrained(
                found.parent, **settings, **source, **_dequantized(source)
            )
            loaded["unexpected_keys"] |= unknown_in_gguf(names, model)
        else:
            with as_model_error(name, "correct its config.json", "the configuration of "):
                config = AutoConfig.from_pretrained(found, trust_remote_code=False, local_files_only=True)
            if packed := getattr(config, "quantization_config", None):  # else the codes stay packed, as in a GGUF file
                packed["dequantize"] = True
                settings["config"] = config
            if part := TEXT_PARTS.get(config.model_type):
                settings |= {"config": config.get_text_config(), "key_mapping": part.names}
            with as_model_error(name, "give the config.json that belongs to its weights"):
                model, loaded = AutoModelForCausalLM.from_pretrained(found, **settings, use_safetensors=True)
            if part:
                model._weight_conversions = None  # else saving would give its weights the names in the whole checkpoint
        check_loaded(name, loaded, part.left_out if part else ())
        check_family(model.config.model_type, str(name))
        check_numbers(name, model)
        tokenizer = _tokenizer(name, found)
    if part:
        say_text_part(name, part)
    return model.to(where).eval().requires_grad_(False), tokenizer


def say_text_part(name: str | os.PathLike, part: TextPart) -> None:
    """Tell the user that the model of that name is loaded in part."""
    print(f"{name}: its text decoder alone is used, without {' and '.join(part.left_out)}", file=sys.stderr)


def load_tokenizer(name: str | os.PathLike):
    """The tokenizer alone; same names and errors as `load`."""
    found = locate(name)
    with quiet():
        return _tokenizer(name, found)


def _tokenizer(name: str | os.PathLike, found: Path):
    """The tokenizer of the checkpoint of that name, which was located."""
    from transformers import AutoTokenizer

    gguf = found.is_file()
    if not gguf and not any(file.is_file() for pattern in VOCABULARIES for file in found.glob(pattern)):
        # for some architectures transformers would make up a tokenizer that knows no text
        raise ModelError(f"{found}: no tokenizer (tokenizer.json or another file of tokens); add the model's own")
    with as_model_error(name, "give the files of the tokenizer that belongs to it", "the tokenizer of "):
        return AutoTokenizer.from_pretrained(
            found.parent if gguf else found,
            trust_remote_code=False,
            local_files_only=True,
            **({"gguf_file": found.name} if gguf else {}),
        )


def locate(name: str | os.PathLike) -> Path:
    """The folder with the checkpoint (or the .gguf file) behind a name; converts a packaged one or downloads a hub id
    on first use.

    Raises:
        ModelError: as `load`.
    """
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        raise ModelError(f"model {quoted(name)}: give {_NAMES}, as a text or a path")
    if name in PACKAGED:
        return _converted(PACKAGED[name])
    path = expanded(name, ModelError)
    try:
        # not resolved: a link of the hub's cache leads to a file without an ending
        gguf, folder = path.suffix.lower() == ".gguf" and path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a folder on the way that may not be read
        gguf = folder = False
    if gguf:
        return path.absolute()
    if folder:
        return _checked_folder(path)
    if not isinstance(name, str) or not _looks_like_hub_id(name):
        raise ModelError(f"unknown model {quoted(str(name))}: choose {_NAMES} such as org/name")
    return _checked_folder(_snapshot(name))


def resolve_device(device: str) -> torch.device:
    """Raises ModelError for a device this machine has not."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
        torch.zeros(1, device=where).item()  # which a device without memory, such as meta, does not have
    except (RuntimeError, AssertionError, TypeError, ValueError):
        raise ModelError(
            f"device {quoted(device)} is not usable here: choose auto, cpu"
            f"{', cuda' if torch.cuda.is_available() else ''}"
        ) from None
    return where


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """bfloat16 for "auto" where it is multiplied natively (any GPU; a CPU with AMX or AVX512-BF16), float32 elsewhere.

    Raises:
        ModelError: a dtype that models are not computed in.
    """
    known = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
    if dtype in (*known.values(), torch.float64):
        return dtype
    if dtype == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if not isinstance(dtype, str) or dtype not in known:
        raise ModelError(f"unknown dtype {quoted(dtype)}: choose auto, {', '.join(known)}")
    return known[dtype]


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 natively: any GPU, or a CPU with AMX or AVX512-BF16."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def _dequantized(source: dict) -> dict:
    from transformers import GgufConfig

    # without this flag GGUF weights stay packed and can be neither pruned nor saved
    return {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in source else {}


def _converted(packaged: Packaged) -> Path:
    """The safetensors copy of a packaged GGUF checkpoint in the user cache, made on first use and verified on each."""
    target = cache_dir() / "models" / f"{packaged.name}-{packaged.sha256[:12]}"
    if intact(target):
        return target
    with _as_cache_error(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target.parent / f"{packaged.name}.lock"):  # two processes starting at once convert once
            if not intact(target):
                _convert(packaged, target)
    return target


def intact(folder: Path) -> bool:
    """Whether a converted checkpoint holds the files that were written, as they were written, and no other."""
    try:
        recorded = json.loads((folder / CHECKSUM).read_text())
        there = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        return there == {CHECKSUM, *recorded} and all(
            file_sha256(folder / name) == value for name, value in recorded.items()
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return False


def _convert(packaged: Packaged, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    print(f"{packaged.title}: {packaged.licence}", file=sys.stderr)
    print(f"converting {packaged.name} to safetensors, once (about a minute)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{packaged.name}.") as scratch:
        gguf = packaged.assemble(Path(scratch) / f"{packaged.name}.gguf")
        if (found := file_sha256(gguf)) != packaged.sha256:
            raise ModelError(
                f"{packaged.name}: checksum {found[:12]}… instead of {packaged.sha256[:12]}…; "
                f"reinstall the package {packaged.distribution}"
            )
        source = {"gguf_file": gguf.name}
        output = Path(scratch) / "checkpoint"
        with quiet(), as_model_error(packaged.name, f"reinstall the package {packaged.distribution}"):
            AutoModelForCausalLM.from_pretrained(
                gguf.parent, dtype=torch.bfloat16, **source, **_dequantized(source)
            ).save_pretrained(output)
            AutoTokenizer.from_pretrained(
                gguf.parent, tokenizer_type=packaged.tokenizer_type, **source
            ).save_pretrained(output)
        (output / CHECKSUM).write_text(
            json.dumps({file.name: file_sha256(file) for file in sorted(output.iterdir())}, indent=1)
        )
        follow_umask(output)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(output, target)


def _checked_folder(folder: Path) -> Path:
    """Refuse what cannot be pruned before anything is loaded: pickled weights, unknown architectures."""
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder}: holds an adapter, which changes the weights of another model; merge it into that model "
            f"(merge_and_unload of the package peft), and give what that saves"
        )
    try:
        config = json.loads((folder / "config.json").read_text()) | {}  # a TypeError for what is not a mapping
    except FileNotFoundError:
        raise ModelError(f"{folder}: no config.json; give the folder of a Hugging Face checkpoint") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{folder}/config.json cannot be read ({_one_line(error)}); fetch the checkpoint again"
        ) from None
    check_family(config.get("model_type"), str(folder), TEXT_PARTS)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no .safetensors weights (pickled weights are never loaded); convert the "
            f"checkpoint to safetensors first"
        )
    check_settings(folder, config)
    return folder


_SNAPSHOTS: dict[str, Path] = {}


def _snapshot(name: str) -> Path:
    """The folder of a hub id in the hub's cache. A program stays with the snapshot that it found first: what is
    measured is then what a cell's fingerprint names, also where the hub gets a new commit in between.
    """
    if name not in _SNAPSHOTS or not _SNAPSHOTS[name].is_dir():
        _SNAPSHOTS[name] = _downloaded(name)
    return _SNAPSHOTS[name]


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    begun = time.time_ns()
    try:
        found = Path(snapshot_download(name, allow_patterns=_TOKENIZER_AND_WEIGHTS))
    # the hub client raises classes of several libraries for one cause: the model cannot be had
    except Exception as error:
        raise ModelError(
            f"model {quoted(name)} is neither packaged ({', '.join(PACKAGED)}) nor a local folder, and cannot "
            f"be fetched from the hub"
            f" ({type(error).__name__}); check the name, the network and your access"
        ) from None
    check_downloaded(quoted(name), found, begun)
    return found


def _looks_like_hub_id(name: str) -> bool:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


@contextlib.contextmanager
def as_model_error(
    name: str | os.PathLike, advice: str = "is the checkpoint complete? fetch it again", part: str = ""
) -> Iterator[None]:
    """Let a checkpoint that cannot be used be a ModelError, with this advice, unless its cause asks for another.

    Args:
        part: what of the model is read, such as "the tokenizer of ".
    """
    try:
        yield
    except ModelError:
        raise
    # transformers, safetensors and tokenizers each have their own classes for a damaged checkpoint
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        if "No space left" in str(error):  # safetensors has its own class for the system's errors
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if out_of_memory(error):
            raise ModelError(
                f"model {quoted(str(name))}: there is not enough memory for its weights; prune and quantize read it "
                f"layer by layer with --stream"
            ) from None
        if isinstance(error, ImportError):
            advice = "install the package that it names, in a version that transformers takes"
        elif type(error).__name__ == "SafetensorError":
            advice = "the file of its weights is damaged; fetch it again"
        raise ModelError(f"{part}model {quoted(str(name))} cannot be loaded ({_reason(error)}); {advice}") from error


@contextlib.contextmanager
def _as_cache_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror or error}); free some space, or set "
            f"CALIBPRUNE_CACHE to a writable folder"
        ) from None


def _reason(error: Exception) -> str:
    """What an error of another library says, without what its class repeats of it."""
    kind = type(error).__name__
    if kind.startswith("StrictDataclass"):  # "Validation error for field 'x': TypeError: Field 'x' expected int, …"
        return _one_line(str(error).rpartition("Error: ")[2])
    return f"{kind}: {_one_line(error)}"


def _one_line(error: Exception | str) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "…"
