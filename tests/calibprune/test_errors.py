"""What a failure says is one line that can be read, however long the value is that caused it; and what an interrupt
leaves.
"""

import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import some_tokens, tiny

import calibprune as cp
from calibprune.errors import CalibpruneError, ModelError, ended_in_one_line, one_of, quoted
from calibprune.methods import pruner, quantizer
from calibprune.models.loading import as_model_error
from calibprune.schemes import Grid, Sparsity
from calibprune.study.parameters import Parameters
from calibprune.study.store import Store
from calibprune.tasks.catalogue import resolve, select

LONG = "1" * 5000
FREE = ("models", "languages", "evaluation_languages", "device", "dtype", "store", "shelves", "data_mirror", "tasks")
"""Parameters that take any text, which is looked at where it is used."""


def test_a_value_is_shortened():
    assert quoted("de") == "'de'"
    assert quoted("x" * 78) == repr("x" * 78)
    assert quoted("x" * 79) == "'" + "x" * 39 + "…" + "x" * 38 + "'"
    assert quoted("/folder/" + "x" * 900 + "/name").endswith("xxx/name'")
    assert len(quoted("x" * 5000)) == 80
    assert quoted(10**5000) == "a number of thousands of digits"
    assert one_of("method", "x" * 5000, ["a", "b"]) == f"unknown method {quoted('x' * 79)}: choose one of a, b"


def test_what_has_several_lines_is_one():
    assert quoted(pd.Series(["de"])) == " ".join(repr(pd.Series(["de"])).split())
    assert str(ModelError("a\nb/c\r: is no folder")) == r"a\nb/c\r: is no folder"


def test_a_text_keeps_its_beginning_and_its_end():
    error = ModelError(f"folder {'x' * 10_000}: is too long; choose another")
    assert len(str(error)) <= 1000
    assert str(error).startswith("folder xxx")
    assert str(error).endswith("xxx: is too long; choose another")
    assert str(ModelError("y" * 1000)) == "y" * 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Sparsity.of(LONG),
        lambda: Sparsity.of(f"{LONG}:2"),
        lambda: Sparsity.of((10**5000, 4)),
        lambda: Sparsity.of(["1"] * 5000),
        lambda: Sparsity.of(np.ones(5000)),
        lambda: Grid.of(10**5000),
        lambda: Grid.of(4, LONG),
        lambda: Grid.of(4, 8, LONG),
        lambda: pruner(LONG),
        lambda: quantizer(LONG),
        lambda: cp.load(LONG),
        lambda: cp.load(f"org/{LONG}"),
        lambda: cp.load("gemma3-270m", device=LONG),
        lambda: cp.load("gemma3-270m", dtype=LONG),
        lambda: cp.corpus(LONG, "de"),
        lambda: cp.corpus("chromium", LONG),
        lambda: cp.corpus("chromium", "de", LONG),
        lambda: cp.corpus(f"file:{LONG}", "de"),
        lambda: cp.corpus(f"file:{'a b ' * 2000}", "de"),
        lambda: cp.corpus(f"mc4:{LONG}", "de"),
        lambda: cp.windows(None, LONG, ["de"], 1, 8),
        lambda: cp.prune(tiny("llama"), some_tokens(), sparsity=LONG),
        lambda: cp.prune(tiny("llama"), some_tokens(), method=LONG),
        lambda: cp.prune(tiny("llama"), some_tokens(), progress=LONG),
        lambda: cp.language_subspace(torch.eye(4), LONG),
        lambda: Store(LONG),
        lambda: Store(f"{LONG}\0"),
        lambda: select([LONG], ["de"]),
        lambda: select(["belebele_de"], [LONG]),
        lambda: resolve(["belebele"], ["de"], LONG),
        lambda: resolve(["belebele"], ["de"], f"~{LONG}/x"),
        *(
            lambda name=name, value=value: Parameters.of({name: value})
            for name in [*Parameters.model_fields, LONG]
            for value in (LONG * 2, [LONG, LONG], {LONG: LONG}, [[LONG]], 10**5000, f"{LONG}+{LONG}")
            if name not in FREE or not isinstance(value, str)
        ),
    ],
)
def test_long_values_give_short_messages(call):
    with pytest.raises(CalibpruneError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 1000


def test_a_sparsity_of_5000_digits_is_one_readable_line():
    with pytest.raises(CalibpruneError) as caught:
        Parameters.of({"sparsity": LONG})
    assert str(caught.value) == (
        f"parameters: sparsity: {quoted(LONG)}: give a fraction in [0, 1), or a pattern such as 2:4"
    )


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.2])
def test_ctrl_c_twice_is_ctrl_c_once(tmp_path, pause):
    """The second one comes while the first is being dealt with: while a half-written file is removed, or while the
    program ends.
    """
    code = """
import atexit, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs this in the background has it ignored
from calibprune.errors import ended_in_one_line
atexit.register(lambda: (time.sleep(0.3), print("ended")))
here = Path(sys.argv[1])
with ended_in_one_line("program", "nothing is left"):
    try:
        (here / "half").touch()
        time.sleep(60)
    finally:
        time.sleep(0.1)
        (here / "half").unlink()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "half").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert (process.returncode, out, errors) == (130, "ended\n", "program: interrupted; nothing is left\n")
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_used_up_is_one_line(capsys):
    with pytest.raises(SystemExit), ended_in_one_line("program"):
        torch.empty(10**15)
    assert capsys.readouterr().err.startswith("program: there is not enough memory; take fewer or shorter windows")
    one_line = r"^model 'big': there is not enough memory for its weights; .* --stream$"
    with pytest.raises(ModelError, match=one_line), as_model_error("big"):
        torch.empty(10**15)


def test_other_faults_of_the_program_keep_their_traceback():
    with pytest.raises(RuntimeError, match="a fault"), ended_in_one_line("program"):
        raise RuntimeError("a fault")
