"""What an import brings: pruning loads no package of the study, and `import calibprune` loads next to nothing."""

import os
import subprocess
import sys

import pytest

from calibbook.checkout import ROOT

STUDY = {"babel", "datasets", "lm_eval", "pandas", "pyarrow", "pydantic", "rich", "typer", "calibbook"}
TINY = "from tiny_models import some_tokens, tiny; from byte_tokenizer import TOKENIZER; import calibprune as cp; "
USES = {
    "prune": "cp.prune(tiny('llama'), some_tokens(), 'sparsegpt', 0.5)",
    "quantize": "cp.quantize(tiny('llama'), some_tokens(), bits=4, group_size=8)",
    "fidelity": "cp.fidelity(tiny('llama'), tiny('llama'), some_tokens())",
    "windows of messages": "cp.windows(TOKENIZER, 'chromium', ['de'], samples=2, length=16)",
    "windows of a file": "cp.windows(TOKENIZER, SOURCE, ['de'], samples=2, length=16)",
    "every name but the study": "[getattr(cp, name) for name in cp.__all__ if name != 'Study']",
    "saving": "import calibprune.saving.making",
}


def imported_by(code: str) -> set[str]:
    """The packages that a process of its own has loaded once it has run `code`."""
    path = f"import sys; sys.path[:0] = [{str(ROOT / 'tests' / 'support')!r}]; "
    told = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(
        subprocess.run(
            [sys.executable, "-c", path + code + told], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_package_alone_costs_nothing():
    assert not imported_by("import calibprune") & (STUDY | {"torch", "transformers", "numpy", "scipy", "yaml"})


def test_masks_are_compared_without_a_model():
    assert not imported_by("import calibprune as cp; cp.mask_iou") & (STUDY | {"transformers"})


@pytest.mark.parametrize("use", USES)
def test_pruning_needs_no_package_of_the_study(use, tiny_texts):
    assert not imported_by(TINY + USES[use].replace("SOURCE", repr(tiny_texts))) & STUDY


def test_what_the_study_brings_would_be_found():
    assert {"pandas", "pydantic"} <= imported_by("import calibprune as cp; cp.Study") & STUDY


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def waiting(code: str, **settings: str) -> tuple[list[str], str]:
    """What says how OpenMP's threads wait in a process of its own that has run `code`, and its standard error."""
    inherited = {name: value for name, value in os.environ.items() if name not in WAITING}
    told = f"; import os; print(*(name + '=' + os.environ[name] for name in {WAITING} if name in os.environ))"
    done = subprocess.run(
        [sys.executable, "-c", code + told], capture_output=True, text=True, check=True, env=inherited | settings
    )
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize("first", ["calibprune", "calibprune.cli", "calibprune.study.store", "calibbook.build"])
def test_threads_that_wait_soon_sleep(first):
    found, _ = waiting(f"import {first}")
    assert [setting.partition("=")[0] for setting in found] == ["GOMP_SPINCOUNT", "KMP_BLOCKTIME"]


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "5"), ("KMP_BLOCKTIME", "7")]
)
def test_threads_wait_as_the_user_says(name, value):
    assert waiting("import calibprune", **{name: value})[0] == [f"{name}={value}"]


def test_threads_of_a_torch_that_is_there_already_wait_as_they_do():
    assert waiting("import torch; import calibprune")[0] == []


def test_torch_reads_how_its_threads_wait():
    """What libgomp, with which torch is built for Linux, says about itself when it is loaded."""
    code = "import calibprune; import torch"
    found, said = waiting(code, OMP_DISPLAY_ENV="verbose")
    if "GOMP_SPINCOUNT" not in said:
        pytest.skip("torch uses another OpenMP here")
    spins = found[0].partition("=")[2]
    assert f"GOMP_SPINCOUNT = '{spins}'" in said
    assert f"GOMP_SPINCOUNT = '{spins}'" not in waiting("import torch", OMP_DISPLAY_ENV="verbose")[1]
