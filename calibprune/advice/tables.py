"""Tables of predicted losses as CSV files: one row a calibration, a language and a matrix, and one for the whole model,
in which layer and component are empty.
"""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from calibprune.advice.prediction import Advice
from calibprune.errors import ParameterError, StoreError
from calibprune.files import expanded, whole_file

COLUMNS = ("method", "sparsity", "calibration", "language", "layer", "component", "value")


def check_table(path: Path) -> Path:
    """The path of a table that can be written. Raises ParameterError where its folder is missing, or it is a folder."""
    path = expanded(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ParameterError(f"table {path}: give the path of a file in a folder that exists")
    return path


def write_table(advice: Advice, path: Path) -> None:
    """Write `Advice.rows`."""
    about = {"method": advice.method, "sparsity": str(advice.sparsity)}
    with whole_file(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(about | row for row in advice.rows())


def whole_models(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table that are about the whole model, as text.

    Raises:
        StoreError: the file is none that `write_table` wrote.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(f"line {reader.line_num} has not as many values as columns")
                if not row["layer"] and not row["component"]:
                    if not math.isfinite(float(row["value"])):
                        raise ValueError(f"line {reader.line_num} has no value")
                    yield row
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"{path}: is no table that calibprune advise wrote ({reason}); write it again with --table, or delete it"
        ) from None


def shorten_table(source: Path, target: Path) -> None:
    """Copy the rows of `whole_models`, which are a hundredth or less of a table."""
    with whole_file(target) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(whole_models(source))
