"""How a reader repeats a page: the command, the time its results took, the parameters, and the page's data."""

import json
import shlex
from collections.abc import Collection, Sequence

import pandas as pd
from IPython.display import display

from calibbook.checkout import ROOT
from calibbook.shared.html import Link, attached, command_box, folded, text_table
from calibbook.shared.runs import computed_on, what_was_run
from calibbook.shared.words import duration, fixed
from calibprune import Study
from calibprune.errors import ParameterError
from calibprune.study.parameter_files import read_parameters
from calibprune.study.parameters import NUMERICS, Parameters, meanings

OWN = "params/smoke.yaml"
"""Whose values a notebook's cell of parameters has, unless its metadata name a study of its own."""

WHERE = ("store", "shelves", "data_mirror", "device")
"""Parameters that say where a study is computed and kept, which another machine has its own of."""

PART_OF = {
    "sweep_sparsity": {"sweep"},
    "sweep_languages": {"sweep", "amounts"},
    "sweep_samples": {"amounts"},
    "bits": {"quantization"},
    "group_size": {"quantization"},
    "calibration_mixtures": {"mixtures"},
    "single_seeds": {"languages"},
    "mask_seeds": {"draws"},
}
"""Parameters that concern some parts of a study alone."""

NOTEBOOK = "(its source and the parameters of this run; what it shows is on this page, so the file has no outputs)"
DIGITS = "%.9g"
"""In the data of a page: all that a float32 has."""

OF_TASKS = frozenset(["tasks", "task_limit", "chat_template", "task_backend", "data_mirror"])
OF_EMBEDDINGS = frozenset(["parallel_source", "parallel_samples"])


def show_rerun(
    study: Study,
    notebook: str,
    parts: Sequence[str] = (),
    data: pd.DataFrame | None = None,
    leaving_out: Collection[str] = (),
    provenance: pd.DataFrame | None = None,
    tested: pd.DataFrame | None = None,
) -> None:
    """The last section of a page of results: the box with the command, and folded parameters and provenance.

    Args:
        study: whose records the page shows.
        notebook: name without suffix, of notebooks/.
        parts: of the study, those that the page reads; all by default.
        data: what the page shows, as a frame that a reader can download.
        leaving_out: parameters that the page makes no use of although the parts it reads have them, such as `OF_TASKS`.
        provenance: of the cells that the page reads, where they are not all in the study's own store.
        tested: the page's claims, as a frame that a reader can download as well.
    """
    if provenance is None:
        provenance = study.provenance(*parts)
    links = [Link("This notebook", f"../_sources/executed/{notebook}.ipynb", f"{notebook}.ipynb", NOTEBOOK)]
    for label, name, table in (
        ("The data of this page", f"{notebook}.csv", data),
        ("Its claims", f"{notebook}_claims.csv", tested),
    ):
        if table is not None and len(table):
            address = attached(table.to_csv(index=False, float_format=DIGITS), "text/csv")
            links.append(Link(label, address, name, f"(CSV, {len(table):,} rows of {len(table.columns)} columns)"))
    before = "In a checkout of the repository, once `make setup` has installed what it needs:"
    if _own_study(notebook) != OWN:
        before = f"The notebook reads the records of a study, which `calibprune study` computes. {before}"
    display(command_box("Rerun it", before, command(study.parameters, notebook), [cost(provenance)], links))
    table = parameter_table(study.parameters, parts, leaving_out)
    display(folded("Parameters of this run", text_table(table, "Parameters")))
    if len(provenance):
        display(folded("What was run", text_table(what_was_run(provenance), "What was run")))


def command(parameters: Parameters, notebook: str) -> str:
    """How papermill executes a notebook with these parameters: from the file of params/ that comes closest, and what
    differs from it. What `WHERE` names is left out. The study of a notebook that has one of its own comes before.
    """
    wanted = _comparable(parameters)
    own = read_parameters(ROOT / _own_study(notebook))
    candidates = {}
    for path in sorted((ROOT / "params").glob("*.yaml")):
        try:  # what a file does not say is what the notebook's own cell says
            held = _comparable(Parameters.of(own | read_parameters(path)))
        except ParameterError:  # a file of somebody's own that does not hold
            continue
        candidates[path.name] = {name: value for name, value in wanted.items() if held[name] != value}
    words = [".venv/bin/papermill", f"notebooks/{notebook}.ipynb", "out.ipynb"]
    different = wanted
    if candidates:
        nearest = min(candidates, key=lambda name: len(candidates[name]))
        words += ["-f", f"params/{nearest}"]
        different = candidates[nearest]
    if different:
        words += ["-y", json.dumps(different, ensure_ascii=False)]
    elif _own_study(notebook) != OWN:  # a notebook with a study of its own reads records and computes none
        return f"{shlex.join(['.venv/bin/calibprune', 'study', f'params/{nearest}'])} && {shlex.join(words)}"
    return shlex.join(words)


def _own_study(notebook: str) -> str:
    """The parameter file whose values stand in a notebook's cell of parameters."""
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"] if path.is_file() else {}
    return metadata.get("calibprune", {}).get("study", OWN)


def _comparable(parameters: Parameters) -> dict:
    values = parameters.model_dump(mode="json", exclude=set(WHERE))
    if values["evaluation_languages"] == values["languages"]:
        values["evaluation_languages"] = []
    if values["numerics"] == NUMERICS:
        values["numerics"] = None
    return values


def cost(provenance: pd.DataFrame) -> str:
    """What the results of a page took, in a sentence, from the provenance of its cells."""
    if provenance.empty:
        return "None of its cells is in the store yet; how long they take is not known."
    seconds = provenance["seconds_prune"].sum() + provenance["seconds_measure"].sum()
    return (
        f"The {len(provenance)} cells behind this page took {duration(seconds)}, each counted by itself, and at most "
        f"{fixed(provenance['peak_memory_gb'].max())} GB, as recorded on {computed_on(provenance)}. Cells that "
        f"are in the store are only read."
    )


def parameter_table(
    parameters: Parameters, parts: Sequence[str] = (), leaving_out: Collection[str] = ()
) -> pd.DataFrame:
    """Columns parameter, value, meaning and allowed: the parameters that the cells of some parts depend on."""
    known = meanings()
    rows = [
        (name, _written(value), *known[name])
        for name, value in parameters.model_dump(mode="json").items()
        if name not in leaving_out and _is_used(name, value, parameters, parts)
    ]
    return pd.DataFrame(rows, columns=["parameter", "value", "meaning", "allowed"])


def _is_used(name: str, value, parameters: Parameters, parts: Sequence[str]) -> bool:
    if value in ([], None) or (parts and not PART_OF.get(name, set(parts)) & set(parts)):
        return False
    if name == "group_size":
        return bool(parameters.bits)
    if name == "evaluation_languages":
        return value != parameters.languages
    if name in OF_TASKS:
        return bool(parameters.tasks)
    if name in OF_EMBEDDINGS:
        return "subspace" in parameters.metrics
    return True


def _written(value) -> str:
    """A value as one would write it in a file of parameters."""
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_written(one)}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
