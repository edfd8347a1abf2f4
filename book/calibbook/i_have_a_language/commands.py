"""How a choice is made on one's own machine: the command, and what it took when the study did the same."""

import shlex
from types import SimpleNamespace

import pandas as pd

from calibbook.i_have_a_language.data import CHOICE, NO_TEXT, Run
from calibbook.shared.frames import is_quantized
from calibbook.shared.runs import computed_on
from calibbook.shared.words import duration, fixed
from calibprune.study.parameters import Parameters

PROGRAM = ".venv/bin/calibprune"


def command(parameters: Parameters, model: str, choice) -> str:
    """What prunes or quantizes a model as a study did, from the same draw of the same text, into a new folder.

    choice: what has the attributes CHOICE, such as a row of `Answer.ranked`.
    """
    if is_quantized(choice.pattern):
        words = [PROGRAM, "quantize", model, "--output", "quantized", "--method", choice.method]
        words += ["--bits", choice.pattern.removesuffix("-bit"), "--group-size", str(parameters.group_size)]
    else:
        words = [PROGRAM, "prune", model, "--output", "pruned", "--method", choice.method]
        words += ["--sparsity", choice.pattern if ":" in choice.pattern else f"{choice.sparsity:.12g}"]
    if choice.calibration != NO_TEXT:  # a method that uses no text refuses options about it
        words += ["--calibration", choice.calibration, "--source", parameters.calibration_source]
        words += ["--samples", str(parameters.calibration_samples), "--length", str(parameters.calibration_length)]
        words += ["--seed", str(parameters.seeds[0])]
    return shlex.join(words)


def quantizing(run: Run, model: str, calibration: str) -> str:
    """The command that quantizes to 8 bits, about the memory of half of the weights, with the same text, below a
    comment; empty where quantized models were measured, whose commands are known, or without text.
    """
    if not run.pruned_alone or calibration == NO_TEXT:
        return ""
    choice = SimpleNamespace(method="gptq", sparsity=0.0, pattern="8-bit", calibration=calibration)
    return f"# to quantize, which was not measured in this language\n{command(run.parameters, model, choice)}\n"


def cost(provenance: pd.DataFrame, model: str, choice) -> str:
    """What a choice took in the study, in a sentence; `provenance` as of `Study.provenance`."""
    wanted = dict(zip(CHOICE, (getattr(choice, name) for name in CHOICE), strict=True)) | {"model": model}
    wanted["calibration"] = wanted["calibration"].replace(NO_TEXT, "")
    rows = provenance
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    verb = "Quantizing" if is_quantized(choice.pattern) else "Pruning"
    draws = f", the mean of {len(rows)} draws," if len(rows) > 1 else ""
    return (
        f"{verb} took {duration(rows['seconds_prune'].mean())}{draws} once the model was loaded, and the process at "
        f"most {fixed(rows['peak_memory_gb'].max())} GB of main memory, measuring included and a GPU's own memory not, "
        f"as recorded on {computed_on(rows)}."
    )
