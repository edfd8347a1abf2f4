"""MKQA: open-domain questions without context, answered by generation, scored by token F1 and exact match (the paper's
Section 4.3).

Longpre, Lu and Daiber (2021), "MKQA: A Linguistically Diverse Benchmark for Multilingual Open Domain Question
Answering"; 26 languages, six of the paper's seven: no Swahili. `mkqa.csv` has one row a language, with the data set's
own name of it and the two lines of the prompt; those of the six were checked. The harness has no such task:
`mkqa_<language>.yaml` beside this file are one in its own form, which its command line runs too (`lm_eval
--include_path` with this folder, `--metadata '{"data_mirror": "DIR"}'` for local data); calibprune/tasks/yaml_files.py
writes them.

A file holds either one language, each line with `example_id`, `query` and `answers`, or, as its authors publish it, all
of them, with `queries` and `answers` by language code. An answer has a `type`, a `text` and often `aliases`; `text` is
null where there is no answer, and `type` is null in copies that dropped it. In a mirror (mirror.py) it is
`mkqa/<language>.jsonl.gz` or, for all languages, `mkqa/mkqa.jsonl.gz`.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from calibprune.errors import ParameterError
from calibprune.tasks.paper import mirror
from calibprune.tasks.paper.normalise import tokens

LEFT_OUT = ("unanswerable", "long_answer")
QUESTIONS, KEPT = 10_000, 6_758  # of the full data set, before and after the paper's filter
# The authors' own file: the hub's copy is a loading script, which the library `datasets` no longer runs.
SOURCE = "https://github.com/apple/ml-mkqa/raw/651b8cc85c407270b024157aff06ee6ab8c4fc6d/dataset/mkqa.jsonl.gz"
TEMPLATE = "_mkqa_yaml"


class Wording(NamedTuple):
    """A row of the table: the data set's own code of the language, and the two lines of the prompt."""

    name: str
    question: str
    answer: str


def _table() -> dict[str, Wording]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return {row.pop("code"): Wording(**row) for row in csv.DictReader(file)}


LANGUAGES: dict[str, Wording] = _table()


def settings(language: str) -> dict[str, Any]:
    """What sets the task of one language apart from the template, as in its YAML file."""
    words = LANGUAGES[language]
    return {
        "task": f"mkqa_{language}",
        "dataset_kwargs": {"language": language},
        "doc_to_text": f"{words.question}\n{words.answer}",
    }


def config(language: str) -> dict[str, Any]:
    """The harness's configuration of the task."""
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(Path(__file__).with_name(TEMPLATE)) | settings(language)


def scores(prediction: str, answers: list[str], language: str) -> dict[str, float]:
    """Token F1 and exact match (both 0 to 1) of a generated answer against the accepted ones: the best over them, each
    on its own.

    Both compare normalised tokens (normalise.py). An empty string among the answers stands for "no answer": an empty
    prediction, and only one, is right then. A yes-or-no question's answers are the English words "yes" and "no" in
    every language, as in the data set.

    Args:
        answers: at least one.
        language: any code; the rules of a language without any of its own (Russian, Swahili) are lower case and
            punctuation.
    """
    guess = tokens(prediction, language)
    accepted = [tokens(answer, language) for answer in answers]
    return {"f1": max(_overlap(guess, gold) for gold in accepted), "em": float(any(guess == gold for gold in accepted))}


def _overlap(guess: list[str], gold: list[str]) -> float:
    if not guess or not gold:
        return float(guess == gold)
    common = (Counter(guess) & Counter(gold)).total()
    return 2 * common / (len(guess) + len(gold))


def keep(answers: list[dict]) -> bool:
    """The paper's filter (Appendix C): a question whose answers are all unanswerable or long is left out."""
    return any(answer.get("type") not in LEFT_OUT for answer in answers)


def accepted(answers: list[dict]) -> list[str]:
    """Every accepted text and alias, each once; the empty string stands for no answer."""
    texts = [text for answer in answers for text in (answer.get("text") or "", *(answer.get("aliases") or ()))]
    return list(dict.fromkeys(texts))


def documents(language: str, folder: str | Path) -> list[dict]:
    """The questions that are kept, from a mirror: `id`, `question`, `answers` (the accepted texts), `language`.

    Raises:
        ParameterError: a file that is missing or wrong, naming the file and, within it, line and column; the full
            data set from which the filter does not leave the paper's 6,758 questions.
    """
    folder = Path(folder) / "mkqa"
    path = mirror.expected(f"mkqa_{language}", folder / f"{language}.jsonl.gz", folder / "mkqa.jsonl.gz")
    return _documents(language, path, mirror.stamp(path))


@cache
def _documents(language: str, path: Path, _stamp: tuple) -> list[dict]:
    every, kept = 0, []
    for row in mirror.read(path):
        every += 1
        document, stays = _document(row, language)
        if stays:
            kept.append(document)
    if every == QUESTIONS and len(kept) != KEPT:
        raise ParameterError(
            f"{path}: the paper's filter leaves {len(kept)} of {QUESTIONS} questions, not {KEPT}: copy "
            f"the authors' file again"
        )
    if not kept:
        raise ParameterError(f"{path}: all of its {every} questions are unanswerable or have long answers: add others")
    return kept


def _document(row: mirror.Row, language: str) -> tuple[dict, bool]:
    if "queries" in row.columns:
        queries, answers = (_of_language(row, column, language) for column in ("queries", "answers"))
        row = mirror.Row(row.place, row.columns | {"query": queries, "answers": answers})
    if not isinstance(row.columns.get("example_id"), int):  # the authors' file has numbers, copies of it have texts
        row.take("example_id", str)
    question, answers = row.take("query", str), row.take("answers", list)
    if not all(isinstance(answer, dict) and isinstance(answer.get("aliases") or [], list) for answer in answers):
        raise row.wrong("answers", "a list of objects with type, text and a list of aliases")
    texts = accepted(answers)
    if not all(isinstance(text, str) for text in texts):
        raise row.wrong("answers", "a list of objects whose text and aliases are texts")
    return {"id": str(row.columns["example_id"]), "question": question, "answers": texts, "language": language}, keep(
        answers
    )


def _of_language(row: mirror.Row, column: str, language: str) -> Any:
    values = row.take(column, dict)
    if (name := LANGUAGES[language].name) not in values:
        raise row.wrong(column, f"an object with {name!r}")
    return values[name]


def dataset(language: str, data_mirror: str | None = None, **_metadata: Any):
    """The harness's `custom_dataset`: from the mirror, or else from the authors' file, which is downloaded once."""
    from datasets import Dataset, DatasetDict

    found = documents(language, data_mirror) if data_mirror else _documents(language, *_download(language))
    return DatasetDict({"test": Dataset.from_list(found)})


def source(_family: str, language: str, folder: str | Path) -> dict[str, Any]:
    """What replaces the data in the task's configuration, as mirror.source does for the others."""
    return {"dataset_kwargs": {"language": language, "data_mirror": str(folder)}}


def _download(language: str) -> tuple[Path, tuple]:
    from datasets import DownloadManager

    try:
        path = Path(DownloadManager().download(SOURCE))
    except Exception as failure:  # of whichever library does the transfer
        raise ParameterError(
            f"task mkqa_{language}: {SOURCE} cannot be downloaded ({type(failure).__name__}): give a "
            f"data_mirror that holds it"
        ) from None
    return path, mirror.stamp(path)


def process_results(document: dict, results: list[str]) -> dict[str, float]:
    """The harness's hook: one document and what was generated for it, to the task's metrics."""
    return scores(results[0], document["answers"], document["language"])
