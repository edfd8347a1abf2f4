"""How OpenMP's threads wait: chosen before torch is imported, and not where somebody has chosen already."""

import os
import subprocess
import sys

import pytest

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def waiting(code: str, **settings: str) -> tuple[list[str], str]:
    """What says how OpenMP's threads wait in a process of its own that has run `code`, and its standard error."""
    inherited = {name: value for name, value in os.environ.items() if name not in WAITING}
    told = f"; import os; print(*(name + '=' + os.environ[name] for name in {WAITING} if name in os.environ))"
    done = subprocess.run(
        [sys.executable, "-c", code + told], capture_output=True, text=True, check=True, env=inherited | settings
    )
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize("first", ["calibprune", "calibprune.cli", "calibbook.checkout"])
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
