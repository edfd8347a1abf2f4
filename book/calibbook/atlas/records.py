"""The atlas's records. The page computes nothing: it reads what the study's store and shelves hold, and says what is
missing.
"""

import pandas as pd

from calibbook.atlas import prediction
from calibbook.checkout import ROOT
from calibbook.shared.frames import method_label
from calibbook.shared.words import duration, listed
from calibprune import Study
from calibprune.study.cells import Cell
from calibprune.study.parameter_files import read_parameters
from calibprune.study.parameters import Parameters

STUDY = "params/atlas.yaml"


def beside(study: Study) -> Study | None:
    """The study of the atlas, in the store and on the shelves of another one, for pages that show it beside theirs;
    None where it has a model that the other has not, or is not whole.

    Raises:
        StoreError: it is damaged.
    """
    mine = study.parameters
    atlas = Study.from_yaml(ROOT / STUDY, store=mine.store, shelves=mine.shelves)
    strange = set(atlas.parameters.models) - set(mine.models)  # asking for its cells might fetch a model
    return None if strange or missing(atlas) else atlas


def cells(study: Study) -> list[Cell]:
    """The models of a study that the atlas is about: the dense ones, and those calibrated in one language or
    several.
    """
    return study.cells("languages", "mixtures")


def read(study: Study) -> pd.DataFrame:
    """The records of `cells`, all of which are there.

    Raises:
        StoreError: one is damaged or missing.
    """
    return pd.concat([study.store.records(cell) for cell in cells(study)], ignore_index=True)


def provenance(study: Study) -> pd.DataFrame:
    """As `Study.provenance`, of `cells`."""
    return study.provenance("languages", "mixtures")


def predictions(study: Study) -> dict[str, pd.DataFrame]:
    """Model -> its predicted losses, as `prediction.read` gives them."""
    return {model: prediction.read(study.store.places, model) for model in study.parameters.models}


def missing(study: Study) -> list[str]:
    """Sentences: why there is nothing to show, and what helps. Empty where all records are there and make an atlas."""
    asked = cells(study)
    calibrated = {cell.calibration[0] for cell in asked if len(cell.calibration) == 1}
    if "perplexity" not in study.parameters.metrics:
        return ["This study measures no perplexity, of which the atlas is made."]
    if len(calibrated & set(asked[0].languages)) < 2:
        return [
            "An atlas compares languages: it needs models calibrated in two languages at least, and measured in them."
        ]
    left = [cell for cell in asked if not study.store.has(cell)]
    if not left:
        return []
    methods = listed(dict.fromkeys(method_label(cell.method) for cell in asked if not cell.dense))
    done = [cell for cell in asked if cell not in left]
    return [
        f"The study behind this page is {', '.join(study.parameters.models)} pruned with {methods}, calibrated in each "
        f"of {len(calibrated)} languages and measured in all of them. Building the book does not compute it: "
        f"{len(done)} of its {len(asked)} models are done.",
        f"`{_command(study.parameters)}` computes the rest. It may be interrupted and goes on where it was. "
        f"{_time(study, left, done)}",
        "Build the book again afterwards, and the page is here.",
    ]


def _command(parameters: Parameters) -> str:
    """The command for these parameters, by the file of params/ that has them, wherever its records are kept."""
    kept = {name: getattr(parameters, name) for name in ("store", "shelves", "numerics")}
    for path in sorted((ROOT / "params").glob("*.yaml")):
        if Parameters.of(read_parameters(path) | kept) == parameters:
            return f".venv/bin/calibprune study {path.relative_to(ROOT).as_posix()}"
    return "calibprune study with a file of these parameters"


def _time(study: Study, left: list[Cell], done: list[Cell]) -> str:
    """How long the models that are left will take, by those that are done."""
    known = [study.store.provenance(cell) for cell in done if not cell.dense]
    if not known:
        return "The time depends on the machine; once some models are done, this page estimates the rest."
    each = sum(one["seconds_prune"] + one["seconds_measure"] for one in known) / len(known)
    return f"The {len(left)} that are left take about {duration(each * len(left))}, as long as those before them."
