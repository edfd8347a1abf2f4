"""Methods of other packages: found by their entry points in every process, and faults in them are one line."""

import subprocess
import sys

import pytest
from plugin import install

from calibprune.methods import METHODS, pruners, quantizers

RANDOM, LOUD = "other_methods:RANDOM", "other_methods:LOUD"
SCRIPT = """
import torch
from tiny_models import some_tokens, tiny
import calibprune as cp
from calibprune.methods import pruners, quantizers
print(*pruners(), "|", *quantizers())
model = tiny("llama")
masks = cp.prune(model, some_tokens(), "random", 0.5).masks
assert all((mask.sum(dim=1) == mask.shape[1] // 2).all() for mask in masks.values()) and masks
assert cp.quantize(model, some_tokens(), bits=4, group_size=8, method="loud").quantized.keys() == masks.keys()
from calibprune.study.parameters import Parameters
try:
    Parameters.of({"methods": ["loud"]})
except cp.CalibpruneError as error:
    print(error)
from calibbook.shared.frames import METHODS
print(*METHODS.values())
"""


def run(code: str, environment: dict) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)


def test_an_installed_method_is_one_of_the_registry(tmp_path):
    done = run(SCRIPT, install(tmp_path, random=RANDOM, loud=LOUD))
    assert done.returncode == 0, done.stderr
    labels = [method.label for method in METHODS.values()]
    assert done.stdout.splitlines() == [
        " ".join([*pruners(), "random", "|", *quantizers(), "loud"]),
        "parameters: methods: method 'loud' does not prune: ask for it with bits, or calibprune.quantize; methods "
        f"that prune are {', '.join(pruners())}, random",
        " ".join(["Dense", *labels, "Loud", "Random"]),
    ]


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (
            {"wanda": RANDOM},
            "method 'wanda' of the installed package other-methods (other_methods:RANDOM): the name is taken; "
            "uninstall the package, or give the method another name",
        ),
        ({"x": "other_methods:solve"}, "(other_methods:solve): is no calibprune.methods.Method; repair or uninstall"),
        ({"x": "missing:METHOD"}, "cannot be imported (ModuleNotFoundError: No module named 'missing'); repair or"),
    ],
)
def test_faults_of_another_package_are_one_line(methods, words, tmp_path):
    code = (
        "from calibprune.errors import ended_in_one_line\nwith ended_in_one_line('x'):\n    import calibprune.methods"
    )
    done = run(code, install(tmp_path, **methods))
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
