"""Fixtures that several files share: small batches, a tiny checkpoint, texts in every language, the real Gemma, the
smoke study and its book. Also which tests are slow, and which stay together where several processes run them.

What only the study and the book need is imported by the fixtures that need it: the kernels' tests run on a machine with
a GPU that has neither.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton_device  # noqa: F401 - chooses the interpreter before anything imports triton
from byte_tokenizer import byte_tokenizer
from tiny_models import tiny
from xdist.scheduler import LoadScopeScheduling

from calibbook.checkout import ROOT
from calibprune.files import held
from calibprune.languages import PAPER_LANGUAGES
from calibprune.metrics import fidelity
from calibprune.walk import inputs

SMOKE = ROOT / "params" / "smoke.yaml"
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
"""Processes that run tests side by side."""
THREADS = max(1, (os.cpu_count() or 1) // WORKERS)
"""What each of them may use. More threads than cores wait for each other and are many times slower."""
if WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # for the processes that tests start


BOOK_MADE = 2700
"""Seconds that a test may take which is the first to want the smoke book, and so makes it: ten minutes of two cores, of
which other tests may have one.
"""

SLOW = frozenset((ROOT / "tests" / "slow.txt").read_text().splitlines())


def pytest_collection_modifyitems(items):
    """Slow is what runs the real model or reads its book, and what tests/slow.txt names."""
    for item in items:
        file = item.path.relative_to(ROOT).as_posix()
        real = item.get_closest_marker("gemma") or {"smoke_store", "book_html"} & set(item.fixturenames)
        if real or {file, f"{file}::{item.originalname}"} & SLOW:
            item.add_marker("slow")
        if {"smoke_store", "smoke_book", "book_html"} & set(item.fixturenames):
            item.add_marker(pytest.mark.timeout(BOOK_MADE))


class LongestFirst(LoadScopeScheduling):
    """With `-n 2`, the tests of one file run in one process, and all that load the real model in one as well. What
    takes longest begins first, so that the processes end at about the same time. (`--dist loadgroup` of pytest-xdist
    3.8 does not heed groups under pytest 9.2.)
    """

    MARKED = re.compile(r"^@pytest\.mark\.gemma\n(?:@.*\n)*def (\w+)", re.MULTILINE)
    NOTEBOOKS, PAGES = "tests/test_notebooks.py", "tests/browser/test_pages.py"
    READS_THE_BOOK = re.compile(r"\b(smoke_book|book_html)\b")

    def __init__(self, config, log):
        super().__init__(config, log)
        self.readers = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "tests").rglob("test_*.py")
            if self.READS_THE_BOOK.search(path.read_text(encoding="utf-8"))
        }
        self.marked = {
            (path.relative_to(ROOT).as_posix(), name)
            for path in (ROOT / "tests").rglob("test_*.py")
            for name in self.MARKED.findall(path.read_text(encoding="utf-8"))
        }
        self.slow = {"gemma"} | {line.partition("::")[0] for line in SLOW}

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        return "gemma" if (file, name.split("[")[0]) in self.marked else file

    def _assign_work_unit(self, node) -> None:
        """The next file is the notebooks' tests, which make the smoke study and its book; then, once the book is there,
        its pages', and before that what is slow, and what has many tests, but not what would wait for the book.
        """
        made = any(any(work.get(self.NOTEBOOKS, {}).values()) for work in self.assigned_work.values())
        wanted = dict.fromkeys(self.readers, 0 if made else -1) | {self.PAGES: 1 if made else -1, self.NOTEBOOKS: 2}
        longest = max(
            self.workqueue, key=lambda file: (wanted.get(file, 0), file in self.slow, len(self.workqueue[file]))
        )
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return LongestFirst(config, log)


def pytest_make_parametrize_id(val, argname):
    """Bytes are named by their argument, since the same test must have the same name in every process (compressed bytes
    hold the time).
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def one_thread(request):
    """Threads that wait for each other make tiny models tens of times slower on a busy machine; the real model gets
    this process's share of the cores.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS if request.node.get_closest_marker("gemma") else 1)
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
    for number, language in enumerate(PAPER_LANGUAGES):
        random = torch.Generator().manual_seed(number)
        weights = torch.rand(26, generator=random) ** 3
        texts = [
            "".join(chr(97 + i) for i in torch.multinomial(weights, 120, replacement=True, generator=random).tolist())
            for _ in range(40)
        ]
        (folder / f"{language}.txt").write_text("\n\n".join(texts))
    return f"file:{folder}/{{language}}.txt"


@pytest.fixture(scope="session")
def tiny_settings(tiny_checkpoint, tiny_texts) -> dict:
    """Parameters of the smallest study: the tiny checkpoint, dense and pruned by Wanda for two languages."""
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 4,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 2,
        "evaluation_length": 24,
        "metrics": ["perplexity"],
        "device": "cpu",
        "dtype": "float32",
        "shelves": [],
    }


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A temporary folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if WORKERS > 1 else own


@pytest.fixture(scope="session")
def smoke_store(shared_folder) -> str:
    """The checkout's store, with the study of params/smoke.yaml in it: on the real model, computed once for pages and
    notebooks.
    """
    from calibprune.study.parameters import read_parameters

    command = [Path(sys.executable).with_name("calibprune"), "study", SMOKE]
    with held(shared_folder / ".smoke-study.lock"):  # another process that comes later finds everything computed
        subprocess.run(command, cwd=ROOT, check=True)
    return str(ROOT / read_parameters(SMOKE)["store"])


@pytest.fixture(scope="session")
def smoke_book(shared_folder, smoke_store) -> Path:
    """A copy of the checkout's pages with the book of params/smoke.yaml: book/executed/ and _build/html/, made once."""
    from calibbook import build as book

    root = shared_folder / "smoke-book"
    with held(shared_folder / ".smoke-book.lock"):
        if not (root / "_build" / "html" / "index.html").is_file():
            derived = shutil.ignore_patterns("executed", "__pycache__")
            for name in ("book", "notebooks", "params"):
                shutil.copytree(ROOT / name, root / name, ignore=derived, dirs_exist_ok=True)
            for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
                shutil.copy(ROOT / name, root)
            book.build(SMOKE, root=root, overrides={"store": smoke_store})
    return root


@pytest.fixture(scope="session")
def gemma():
    """The real model and its tokenizer; tests must not change its weights."""
    import calibprune

    return calibprune.load("gemma3-270m")
