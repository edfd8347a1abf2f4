"""Fixtures that several files share: small batches, a tiny checkpoint, texts in every language, the real Gemma."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton_device  # noqa: F401 - chooses the interpreter before anything imports triton
from byte_tokenizer import byte_tokenizer
from tiny_models import tiny

from calibbook.checkout import ROOT
from calibprune.languages import LANGUAGES
from calibprune.metrics import fidelity
from calibprune.study.parameters import read_parameters
from calibprune.walk import inputs


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "gemma: needs the packaged Gemma 3 270M, which is converted once into the user cache (about a minute)",
    )


@pytest.fixture(autouse=True)
def one_thread(request):
    """Threads that wait for each other make tiny models tens of times slower on a busy machine; the real model gets
    all.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if request.node.get_closest_marker("gemma") else 1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_batches(monkeypatch):
    """Two windows a batch, so that tiny draws make several batches and an odd number of windows an uneven last one."""
    for module in (inputs, fidelity):
        monkeypatch.setattr(module, "batches", lambda tokens, *_: tokens.split(2))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A Llama of random weights with a tokenizer of one token a byte, as a local folder."""
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tiny("llama", num_hidden_layers=2).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_texts(tmp_path_factory):
    """A `file:` source with forty texts in every language, each language with letter frequencies of its own."""
    folder = tmp_path_factory.mktemp("texts")
    for number, language in enumerate(LANGUAGES):
        random = torch.Generator().manual_seed(number)
        weights = torch.rand(26, generator=random) ** 3
        texts = [
            "".join(chr(97 + i) for i in torch.multinomial(weights, 120, replacement=True, generator=random).tolist())
            for _ in range(40)
        ]
        (folder / f"{language}.txt").write_text("\n\n".join(texts))
    return f"file:{folder}/{{language}}.txt"


@pytest.fixture(scope="session")
def smoke_store() -> str:
    """The checkout's store, with the study of params/smoke.yaml in it: on the real model, computed once for pages and
    notebooks.
    """
    parameters = ROOT / "params" / "smoke.yaml"
    subprocess.run([Path(sys.executable).with_name("calibprune"), "study", parameters], cwd=ROOT, check=True)
    return str(ROOT / read_parameters(parameters)["store"])


@pytest.fixture(scope="session")
def gemma():
    """The real model and its tokenizer; tests must not change its weights."""
    import calibprune

    return calibprune.load("gemma3-270m")
