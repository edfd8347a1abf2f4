"""Model names to weights: packaged checkpoints, local folders and hub ids."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch

from calibprune.errors import ModelError
from calibprune.files import cache_dir, file_sha256, follow_umask, held
from calibprune.models.families import check_family
from calibprune.models.packaged import PACKAGED, Packaged

CHECKSUM = "checksum.json"
_TOKENIZER_AND_WEIGHTS = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


def load(name: str, device: str = "auto", dtype: str | torch.dtype = "auto"):
    """Load a model and its tokenizer, ready to be pruned.

    Args:
        name: a packaged checkpoint (`gemma3-270m`, `smollm2-135m`), a local folder with a Hugging Face checkpoint, a
            `.gguf` file, or a hub id.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", …
        dtype: "auto" (bfloat16 where the device multiplies it natively, else float32), "bfloat16", "float16",
            "float32", or a torch dtype.

    Returns:
        (model in evaluation mode, tokenizer).

    Raises:
        ModelError: the model is not known, not to be had, damaged, not of a supported architecture, or has no
        safetensors or GGUF weights.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = locate(name)
    where = resolve_device(device)
    source = {"gguf_file": folder.name} if folder.suffix == ".gguf" else {"use_safetensors": True}
    root = folder.parent if folder.suffix == ".gguf" else folder
    with _quiet(), _as_model_error(name, "is the checkpoint complete? fetch it again"):
        settings = {
            "dtype": resolve_dtype(dtype, where),
            "trust_remote_code": False,
            "local_files_only": True,
            "output_loading_info": True,
        }
        model, loaded = AutoModelForCausalLM.from_pretrained(root, **settings, **source, **_dequantized(source))
        if missing := sorted(loaded["missing_keys"]):  # transformers would make them up
            raise ModelError(
                f"{name}: the checkpoint lacks {len(missing)} weights, {missing[0]} among them; fetch it again"
            )
        tokenizer = AutoTokenizer.from_pretrained(
            root, trust_remote_code=False, local_files_only=True, **_of_tokenizer(source)
        )
    check_family(model.config.model_type, name)
    return model.to(where).eval().requires_grad_(False), tokenizer


def load_tokenizer(name: str):
    """The tokenizer alone; same names and errors as `load`."""
    from transformers import AutoTokenizer

    folder = locate(name)
    source = {"gguf_file": folder.name} if folder.suffix == ".gguf" else {}
    with _quiet(), _as_model_error(name, "is the checkpoint complete? fetch it again"):
        return AutoTokenizer.from_pretrained(
            folder.parent if source else folder, trust_remote_code=False, local_files_only=True, **source
        )


def locate(name: str) -> Path:
    """The folder with the checkpoint (or the .gguf file) behind a name; converts a packaged one or downloads a hub id
    on first use.

    Raises:
        ModelError: as `load`.
    """
    if name in PACKAGED:
        return _converted(PACKAGED[name])
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path.resolve()
    if path.is_dir():
        return _checked_folder(path)
    if not _looks_like_hub_id(name):
        raise ModelError(
            f"unknown model {name!r}: choose one of {', '.join(PACKAGED)}, a local folder, or a hub id such as org/name"
        )
    return _checked_folder(_downloaded(name))


@lru_cache
def fingerprint(name: str) -> str:
    """What identifies the weights behind a name: the packaged file's checksum, the hub's commit, or a hash of the local
    files.
    """
    if name in PACKAGED:
        return f"gguf-sha256:{PACKAGED[name].sha256}"
    folder = locate(name)
    if "snapshots" in folder.parts:
        return f"hub-commit:{folder.name}"
    files = [folder] if folder.is_file() else sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}:{file_sha256(file)};".encode())
    return f"files-sha256:{digest.hexdigest()}"


def resolve_device(device: str) -> torch.device:
    """Raises ModelError for a device this machine has not."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, TypeError):
        raise ModelError(
            f"device {device!r} is not usable here: choose auto, cpu{', cuda' if torch.cuda.is_available() else ''}"
        ) from None
    return where


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """bfloat16 for "auto" where it is multiplied natively (any GPU; a CPU with AMX or AVX512-BF16), float32
    elsewhere.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "auto":
        native = device.type != "cpu" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if native else torch.float32
    known = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
    if dtype not in known:
        raise ModelError(f"unknown dtype {dtype!r}: choose auto, {', '.join(known)}")
    return known[dtype]


def _dequantized(source: dict) -> dict:
    from transformers import GgufConfig

    # without this flag GGUF weights stay packed and can be neither pruned nor saved
    return {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in source else {}


def _of_tokenizer(source: dict) -> dict:
    return {key: value for key, value in source.items() if key == "gguf_file"}


def _converted(packaged: Packaged) -> Path:
    """The safetensors copy of a packaged GGUF checkpoint in the user cache, made on first use and verified on each."""
    target = cache_dir() / "models" / f"{packaged.name}-{packaged.sha256[:12]}"
    if _intact(target):
        return target
    with _as_cache_error(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target.parent / f"{packaged.name}.lock"):  # two processes starting at once convert once
            if not _intact(target):
                _convert(packaged, target)
    return target


def _intact(folder: Path) -> bool:
    """Whether a converted checkpoint is complete and its weights are those that were written."""
    try:
        recorded = json.loads((folder / CHECKSUM).read_text())
        return all(file_sha256(folder / name) == value for name, value in recorded.items())
    except (OSError, ValueError):
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
        with _quiet(), _as_model_error(packaged.name, f"reinstall the package {packaged.distribution}"):
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
    try:
        config = json.loads((folder / "config.json").read_text()) | {}  # a TypeError for what is not a mapping
    except FileNotFoundError:
        raise ModelError(f"{folder}: no config.json; give the folder of a Hugging Face checkpoint") from None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{folder}/config.json cannot be read ({_one_line(error)}); fetch the checkpoint again"
        ) from None
    check_family(config.get("model_type"), str(folder))
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder}: no .safetensors weights (pickled weights are never loaded); convert the "
            f"checkpoint to safetensors first"
        )
    return folder


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_TOKENIZER_AND_WEIGHTS))
    # the hub client raises classes of several libraries for one cause: the model cannot be had
    except Exception as error:
        raise ModelError(
            f"model {name!r} is neither packaged ({', '.join(PACKAGED)}) nor a local folder, and cannot "
            f"be fetched from the hub"
            f" ({type(error).__name__}); check the name, the network and your access"
        ) from None


def _looks_like_hub_id(name: str) -> bool:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


@contextlib.contextmanager
def _as_model_error(name: str, advice: str) -> Iterator[None]:
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
        raise ModelError(
            f"model {name!r} cannot be loaded ({type(error).__name__}: {_one_line(error)}); {advice}"
        ) from error


@contextlib.contextmanager
def _as_cache_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot be written ({error.strerror or error}); free some space, or set "
            f"CALIBPRUNE_CACHE to a writable folder"
        ) from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "…"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and notices of transformers, which do not all heed its own settings."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
