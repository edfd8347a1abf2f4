"""A study: parameters to cells to records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from calibprune.errors import ParameterError, StoreError, one_of
from calibprune.study.cells import PARTS, Cell, cells_of
from calibprune.study.parameters import NUMERICS, Parameters
from calibprune.study.progress import StudyProgress
from calibprune.study.runner import Runner, identity, work
from calibprune.study.shelves import open_shelves
from calibprune.study.store import COLUMNS, Store


class Study:
    """Everything that one set of parameters asks for.

    `Study(languages=["de", "sw"], …)` takes the names of `Parameters`; `Study.from_yaml` reads a file of params/.
    """

    def __init__(self, **parameters: Any) -> None:
        self.parameters = Parameters.of(parameters)
        self.store = Store(self.parameters.store, open_shelves(self.parameters.shelves, self.parameters.store))

    @classmethod
    def from_yaml(cls, path: str | Path, **overrides: Any) -> "Study":
        """A study from a YAML file, with some of its parameters replaced.

        Raises:
            ParameterError: the file or a value in it cannot be used.
        """
        return cls(**{**Parameters.from_yaml(path).model_dump(exclude_unset=True), **overrides})

    @classmethod
    def from_names(cls, names: Mapping[str, Any]) -> "Study":
        """A study from whatever of `names` is a parameter: a notebook passes its `globals()`. Raises ParameterError as
        `Study`.
        """
        return cls(**{name: names[name] for name in Parameters.model_fields if name in names})

    def cells(self, *parts: str) -> list[Cell]:
        """The cells of the parts that are named, of all by default, computed or not; the dense model of each family
        first.

        Raises:
            ParameterError: a part that is not one of `cells.PARTS`, or what cannot be computed.
        """
        for part in parts:
            if part not in PARTS:
                raise ParameterError(one_of("part of a study", part, PARTS))
        return [cell for cell in cells_of(self.parameters) if not parts or cell.part in parts]

    def run(self, *parts: str, only: Sequence[Cell] | None = None, progress: bool = True) -> pd.DataFrame:
        """Compute the cells that neither the store nor a shelf has, and return the records of all as one tidy frame.

        Args:
            parts: "languages", "mixtures", "draws", "sweep", "amounts", "quantization" (see `cells.PARTS`); all by
                default.
            only: these of `cells()` alone, instead of parts.

        A cell is written when it is complete, so a run that was interrupted goes on where it was. Several processes may
        run one study: each computes cells that no other has claimed.

        Raises:
            StoreError: a cell is missing whose `numerics` are not those of this version.
            CalibpruneError: one line saying what could not be computed; cells finished before stay in the store.
        """
        cells = self.cells(*parts) if only is None else list(only)
        missing = [cell for cell in cells if not self.store.has(cell)]
        if missing:
            _refuse_other_numerics(missing)
            with StudyProgress(sum(map(work, missing)), show=progress) as bar, self._runner() as runner:
                checked: set[str] = set()
                while missing:
                    missing = self._compute_some(missing, runner, bar, checked)
        frames = [self.store.records(cell) for cell in cells]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)

    def _compute_some(self, missing: list[Cell], runner: "Runner", bar: StudyProgress, checked: set[str]) -> list[Cell]:
        """One pass over missing cells, computing those that are free; returns those that other processes hold. All
        cells of a model are checked before the first of them is computed, those of the models in `checked` were.
        """
        held = []
        for cell in missing:
            wait = cell is missing[-1] and len(held) == len(missing) - 1
            with self.store.claim(cell, wait) as mine:
                if not mine:
                    held.append(cell)
                elif not self.store.has(cell):
                    runner.fetch(cell)
                    if cell.model not in checked:
                        runner.check([other for other in missing if other.model == cell.model])
                        checked.add(cell.model)
                    bar.begin(cell.title)
                    self.store.write(cell, *runner.compute(cell, bar))
        return held

    def _runner(self) -> Runner:
        return Runner(self.parameters.device, self.parameters.data_mirror)

    def fingerprint(self) -> str:
        """The ids of the cells and the checksums of their records, as text: it changes when a result of this study
        does.

        Raises:
            StoreError: a cell is missing or damaged.
        """
        return "\n".join(f"{cell.id} {self.store.checksums(cell)}" for cell in self.cells())

    def provenance(self, *parts: str) -> pd.DataFrame:
        """One row for each computed cell (of these parts, by default of all): what it is, how long it took, on what,
        when, with which versions, and the shelf it was read from (empty for the study's own store).
        """
        rows = []
        for cell in filter(self.store.has, self.cells(*parts)):
            known = self.store.provenance(cell)
            rows.append(
                {
                    **identity(cell),
                    **{
                        name: value
                        for name, value in known.items()
                        if name not in ("configuration", "hidden_size", "records_sha256", "artifacts_sha256")
                    },
                    "dtype": cell.dtype,
                }
            )
        return pd.DataFrame(rows)


def _refuse_other_numerics(missing: list[Cell]) -> None:
    """Raises StoreError for a cell that another version of the computation has to compute."""
    if other := next((cell for cell in missing if cell.numerics != NUMERICS), None):
        raise StoreError(
            f"{other.title}: no store and no shelf has it with numerics {other.numerics}, and this version computes "
            f"numerics {NUMERICS}; leave the parameter `numerics` out, or install the version that computed it"
        )
