"""The paper's own numbers: a csv in each room that shows some, read once and looked up by names.

A row of a csv is one number as it is printed: `value`, its `unit` ("%" or nothing), the `section` or table that states
it, and columns of names that say what it is a number of, such as model, method and calibration.
"""

from functools import cached_property
from pathlib import Path

import pandas as pd

LABELS = {"llama3-8b": "Llama-3 8B", "aya23-8b": "Aya-23 8B"}
"""The paper's models, by the names that they have in a study."""
ALIASES = {
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama3-8b",
    "meta-llama/Llama-3-8B-Instruct": "llama3-8b",
    "CohereForAI/aya-23-8B": "aya23-8b",
}


class Numbers:
    """The numbers of one csv.

    Args:
        path: the csv. A number that it lacks is not known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a number: its names (text; sparsity a float), `value` (percentages as fractions) and `section`."""
        read = pd.read_csv(self.path, dtype={"sparsity": float, "value": float}, keep_default_na=False)
        return read.assign(value=read["value"].where(read["unit"] != "%", read["value"] / 100)).drop(columns="unit")

    def of(self, section: str) -> pd.DataFrame:
        """The rows of a section or table."""
        return self.frame[self.frame["section"] == section].reset_index(drop=True)

    def get(self, **names) -> float | None:
        """The number that has these names, None where it is not known. Each name of the csv is to be given."""
        names["model"] = ALIASES.get(names["model"], names["model"])
        return self._known.get(tuple(names[name] for name in self._names))

    @property
    def _names(self) -> list[str]:
        return [name for name in self.frame.columns if name not in ("section", "value")]

    @cached_property
    def _known(self) -> dict[tuple, float]:
        keys = self.frame[self._names].itertuples(index=False, name=None)
        return dict(zip(keys, self.frame["value"], strict=True))
