"""The paper's benchmarks from local files: the harness's own tasks, prompts and metrics on data that needs no network.

A mirror is a folder with one file for each data set and language, `<data set>/<language>.jsonl.gz`, with the code that
the study has for the language: gzip-compressed UTF-8, one JSON object a line, one line a question, in the order of
evaluation. Its data sets and their columns (others are ignored):

- `arc_easy`, `arc_challenge`: `id`; `instruction`, the question; `option_a`, `option_b` and on to at most `option_e`;
`answer`, a letter from A on. - `mmlu`: the same with exactly four options; `id` is "subject/split/index" and names the
subject ("abstract_algebra") of the English prompt. - `belebele`: `flores_passage`, `question`, `mc_answer1` to
`mc_answer4`, `correct_answer_num` ("1" to "4"): the data set's own names. - `hellaswag`: `query`, the activity and the
context as the prompt shows them; `choices`, the endings; `gold`, the place of the right one from 0. - `mkqa`: see
mkqa.py, which reads it.

Evaluation is zero-shot, so that files with examples to learn from are not read. Every line is checked before anything
is computed.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.corpora.lines import is_text, lines, record
from calibprune.corpora.paths import stamp
from calibprune.errors import CorpusError, ParameterError

LETTERS = "ABCDE"


class Row(NamedTuple):
    """One line of a file: where it stands, for errors, and its columns."""

    place: str
    columns: dict[str, Any]

    def take(self, column: str, kind: type) -> Any:
        """The value of a column that must be there, be of that kind and, as a text or list, not be empty."""
        if column not in self.columns:
            raise ParameterError(
                f"{self.place} has no column {column!r}, only {', '.join(self.columns) or 'none'}: rename "
                f"one or correct the line"
            )
        value = self.columns[column]
        if not isinstance(value, kind) or (kind in (str, list) and not value):
            what = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}[kind]
            raise self.wrong(column, what)
        if kind is not dict and not is_text(value if kind is str else json.dumps(value, ensure_ascii=False)):
            raise self.wrong(column, "text: it holds half of a surrogate pair, which is no character")
        return value

    def wrong(self, column: str, needed: str) -> ParameterError:
        return ParameterError(
            f"{self.place}, column {column!r}: {self.columns[column]!r:.60} is not {needed}: correct the line"
        )


def expected(task: str, *paths: Path) -> Path:
    """The first of the paths that is a file.

    Raises:
        ParameterError: there is none; the line names the task and the file that is expected.
    """
    for path in paths:
        if path.is_file():
            return path
    raise ParameterError(
        f"task {task}: its data is not in the mirror: {paths[0]} is missing; add that file or leave the task out"
    )


def read(path: Path) -> Iterator[Row]:
    """The lines of a file, one at least.

    Raises:
        ParameterError: a file that cannot be read, is cut short or damaged, is empty or not UTF-8, or a line that is
        not a JSON object.
    """
    try:
        found = [(f"{path}: line {number}", line) for number, line in lines(path)]
        if not any(line.strip() for _, line in found):
            raise CorpusError(f"{path}: the file is empty: copy it again")
        for place, line in found:
            yield Row(place, record(place, line))
    except CorpusError as failure:
        raise ParameterError(str(failure)) from None


def documents(family: str, language: str, folder: str | Path) -> list[dict]:
    """The checked questions of one task, in the columns that the harness's task of that language reads.

    Raises:
        ParameterError: a file that is missing or wrong, naming the file and, within it, line and column.
    """
    path = expected(f"{family}_{language}", Path(folder) / family / f"{language}.jsonl.gz")
    return _documents(family, language, path, stamp(path))


@cache
def _documents(family: str, language: str, path: Path, _stamp: tuple) -> list[dict]:
    convert = CONVERTERS[family]
    return [convert(row, language) for row in read(path)]


def dataset(family: str, language: str, data_mirror: str, **_metadata: Any):
    """The harness's `custom_dataset`: the documents as the split "test"; it hands over the task's metadata too, which
    is not needed.
    """
    from datasets import Dataset, DatasetDict

    return DatasetDict({"test": Dataset.from_list(documents(family, language, data_mirror))})


def source(family: str, language: str, folder: str | Path) -> dict[str, Any]:
    """What replaces the data in the configuration of a harness's task; prompt, choices and metrics stay its own."""
    config = {
        "custom_dataset": dataset,
        "dataset_kwargs": {"family": family, "language": language, "data_mirror": str(folder)},
        "test_split": "test",
    }
    config |= dict.fromkeys(("dataset_path", "dataset_name", "training_split", "validation_split", "fewshot_split"))
    # which makes the prompt that this file holds already
    return config | ({"process_docs": None} if family == "hellaswag" else {})


def _arc(row: Row, language: str) -> dict:
    options, answer = _options(row, 2)
    if language == "en":
        choices = {"text": options, "label": list(LETTERS[: len(options)])}
        return {
            "id": row.take("id", str),
            "question": row.take("instruction", str),
            "choices": choices,
            "answerKey": LETTERS[answer],
        }
    columns = {
        f"option_{letter.lower()}": option for letter, option in zip(LETTERS, options + [None] * 5, strict=False)
    }
    return {
        "id": row.take("id", str),
        "instruction": row.take("instruction", str),
        **columns,
        "answer": LETTERS[answer],
    }


def _mmlu(row: Row, language: str) -> dict:
    options, answer = _options(row, 4)
    if len(options) != 4:
        raise row.wrong("option_e", "allowed, since MMLU has four options")
    name, question = row.take("id", str), row.take("instruction", str)
    if language == "en":
        subject, _, rest = name.partition("/")
        if not rest:
            raise row.wrong("id", "of the form subject/split/index")
        return {"id": name, "subject": subject, "question": question, "choices": options, "answer": answer}
    columns = {f"option_{letter.lower()}": option for letter, option in zip(LETTERS, options, strict=False)}
    return {"id": name, "instruction": question, **columns, "answer": LETTERS[answer]}


def _options(row: Row, least: int) -> tuple[list[str], int]:
    """The options, which stop at the first letter without one, and the place of the right one."""
    names = [f"option_{letter.lower()}" for letter in LETTERS]
    there = [row.columns.get(name) is not None for name in names] + [False]
    options = [row.take(name, str) for name in names[: max(least, there.index(False))]]
    letters = list(LETTERS[: len(options)])
    if row.take("answer", str) not in letters:
        raise row.wrong("answer", f"one of the letters {', '.join(letters)}")
    return options, letters.index(row.columns["answer"])


def _belebele(row: Row, _language: str) -> dict:
    names = ("flores_passage", "question", *(f"mc_answer{number}" for number in range(1, 5)), "correct_answer_num")
    document = {name: row.take(name, str) for name in names}
    if document["correct_answer_num"] not in ("1", "2", "3", "4"):
        raise row.wrong("correct_answer_num", '"1", "2", "3" or "4"')
    return document


def _hellaswag(row: Row, _language: str) -> dict:
    query, choices, gold = row.take("query", str), row.take("choices", list), row.take("gold", int)
    if not all(isinstance(choice, str) and choice for choice in choices):
        raise row.wrong("choices", "a list of texts")
    if not 0 <= gold < len(choices):
        raise row.wrong("gold", f"a place among its {len(choices)} choices, from 0")
    return {"query": query, "choices": choices, "label": str(gold)}


CONVERTERS: dict[str, Callable[[Row, str], dict]] = {
    "arc_easy": _arc,
    "arc_challenge": _arc,
    "belebele": _belebele,
    "hellaswag": _hellaswag,
    "mmlu": _mmlu,
}
