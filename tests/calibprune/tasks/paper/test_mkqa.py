"""MKQA: token F1 and exact match by hand; its filter; its file formats; its task in the harness."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mirrors import REAL, needs_real, rows, write

from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.catalogue import resolve
from calibprune.tasks.paper import mkqa
from calibprune.tasks.paper.mkqa import LANGUAGES, accepted, documents, keep, scores
from calibprune.tasks.paper.normalise import tokens

SIX = [code for code in PAPER_LANGUAGES if code in LANGUAGES]  # of the paper's languages

BY_HAND = [
    # language, prediction, accepted answers, F1, exact match
    ("en", "Dave Edmunds", ["Dave Edmunds"], 1, 1),
    ("en", "  the DAVE, Edmunds!", ["Dave Edmunds"], 1, 1),  # case, article, punctuation and white space
    ("en", "Dave", ["Dave Edmunds"], 2 / 3, 0),  # precision 1, recall 1/2
    ("en", "Dave Edmunds of Cardiff", ["Dave Edmunds"], 2 / 3, 0),  # precision 1/2, recall 1
    ("en", "theory", ["the ory"], 0, 0),  # an article is a whole word
    ("en", "New York New York", ["New York"], 2 / 3, 0),  # a repeated token counts once for each time it is accepted
    ("en", "in 1990", ["1990", "in June 1990"], 0.8, 0),  # the better answer counts: 2 of 2 and 2 of 3, not 1 of 2
    ("de", "Das ist ein Apfel.", ["der Apfel", "ist Apfel"], 1, 1),
    ("de", "Straße", ["strasse"], 0, 0),  # lower case, not case folding
    # `¿` is no ASCII punctuation and stays, as a token once `la` is gone
    ("es", "¿la Casa Blanca?", ["casa blanca"], 0.8, 0),
    ("es", "Los Ángeles", ["ángeles"], 1, 1),
    ("ru", "Лев Толстой", ["Толстой, Лев"], 1, 0),  # the order of tokens matters to exact match only
    ("ru", "лев николаевич толстой", ["Лев Толстой"], 0.8, 0),
    ("ar", "التفاحة", ["تفاحة"], 1, 1),
    ("ar", "خالد", ["خ د"], 1, 1),  # the article is removed inside words too, as the authors do
    ("ar", "القاهرة", ["مدينة القاهرة"], 2 / 3, 0),
    ("zh", "苹果", ["苹 果"], 1, 1),
    ("zh", "红苹果", ["青苹果"], 2 / 3, 0),
    ("zh", "NBA", ["nba 联赛"], 0.75, 0),  # each letter is a token: 3 of 3 and 3 of 5
    ("zh", "巴黎。", ["巴黎"], 0.8, 0),  # the full stop is not ASCII and stays
    ("fr", "l'eau de la Seine", ["eau la Seine"], 1 / 2, 0),  # `leau` loses its first two letters, as the authors do
    ("fr", "Lemon", ["mon"], 1, 1),
    ("it", "una mela", ["la mela"], 1, 1),
    ("pt", "os Lusíadas", ["Lusíadas"], 1, 1),
    ("pt", "Porto", ["o Porto"], 1, 1),  # no article at the beginning of a longer word
    ("nb", "et eple", ["eple"], 1, 1),
    ("vi", "cái bàn", ["bàn"], 1, 1),
    ("ja", "東京 都", ["東京都"], 1, 1),
    ("th", "กรุง เทพ", ["กรุงเทพ"], 1, 1),
]


@pytest.mark.parametrize(("language", "prediction", "answers", "f1", "em"), BY_HAND)
def test_scores_by_hand(language, prediction, answers, f1, em):
    assert scores(prediction, answers, language) == pytest.approx({"f1": f1, "em": em})


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_no_answer_is_right_only_where_it_is_accepted(language):
    assert scores("", [""], language) == {"f1": 1.0, "em": 1.0}
    assert scores("", ["42"], language) == {"f1": 0.0, "em": 0.0}
    assert scores("42", [""], language) == {"f1": 0.0, "em": 0.0}


@given(
    st.sampled_from(list(PAPER_LANGUAGES)), st.text(max_size=30), st.lists(st.text(max_size=30), min_size=1, max_size=4)
)
def test_scores_are_bounded_and_an_exact_match_has_all_of_f1(language, prediction, answers):
    found = scores(prediction, answers, language)
    assert 0 <= found["em"] <= found["f1"] <= 1
    assert scores(answers[-1], answers, language) == {"f1": 1.0, "em": 1.0}
    assert scores(prediction, [*answers, prediction], language)["f1"] == 1.0


@given(st.sampled_from(list(PAPER_LANGUAGES)), st.text(max_size=30))
def test_normalised_tokens_are_not_empty_and_have_no_white_space(language, text):
    assert all(token.strip() and token.split() == [token] for token in tokens(text, language))


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (["entity"], True),
        (["binary"], True),
        ([None], True),  # a copy without types, filtered before
        (["unanswerable"], False),
        (["long_answer"], False),
        (["long_answer", "unanswerable"], False),
        (["long_answer", "date"], True),
    ],
)
def test_the_filter(types, kept):
    assert keep([{"type": kind, "text": "x"} for kind in types]) is kept


def test_accepted_answers_are_the_texts_and_their_aliases_each_once():
    answers = [{"text": "2017", "aliases": ["2017", "in 2017"]}, {"text": None}, {"text": "2017", "aliases": None}]
    assert accepted(answers) == ["2017", "in 2017", ""]


def native(number: int, kind: str) -> dict:
    """A question in the form of the authors' file: every language in one line."""
    text = None if kind in ("unanswerable", "long_answer") else f"answer {number}"
    return {
        "example_id": -number,
        "queries": {words.name: f"{words.name} question {number}" for words in LANGUAGES.values()},
        "query": f"question {number}",
        "answers": {words.name: [{"type": kind, "text": text}] for words in LANGUAGES.values()},
    }


def full_data_set(kept: int) -> list[dict]:
    kinds = ["entity"] * kept + ["long_answer"] * 1815 + ["unanswerable"] * (10_000 - 1815 - kept)
    return [native(number, kind) for number, kind in enumerate(kinds)]


def test_the_authors_file_serves_every_language(tmp_path):
    write(tmp_path / "mkqa" / "mkqa.jsonl.gz", [native(1, "entity"), native(2, "unanswerable"), native(3, "date")])
    assert documents("zh", tmp_path) == [
        {"id": "-1", "question": "zh_cn question 1", "answers": ["answer 1"], "language": "zh"},
        {"id": "-3", "question": "zh_cn question 3", "answers": ["answer 3"], "language": "zh"},
    ]
    assert [document["question"] for document in documents("de", tmp_path)] == ["de question 1", "de question 3"]
    assert [document["question"] for document in documents("nb", tmp_path)] == ["no question 1", "no question 3"]
    assert [document["question"] for document in documents("zh-TW", tmp_path)] == [
        "zh_tw question 1",
        "zh_tw question 3",
    ]


def test_a_language_that_the_authors_file_lacks_is_named(tmp_path):
    row = native(1, "entity")
    del row["answers"]["ru"]
    write(tmp_path / "mkqa" / "mkqa.jsonl.gz", [row])
    with pytest.raises(
        ParameterError, match=r"line 1, column 'answers': .* is not an object with 'ru': correct the line$"
    ):
        documents("ru", tmp_path)


def test_the_full_data_set_must_leave_the_papers_number_of_questions(tmp_path):
    write(tmp_path / "mkqa" / "mkqa.jsonl.gz", full_data_set(6758))
    assert len(documents("en", tmp_path)) == 6758
    path = write(tmp_path / "mkqa" / "en.jsonl.gz", full_data_set(6757))
    with pytest.raises(ParameterError, match="leaves 6757 of 10000 questions, not 6758") as failure:
        documents("en", tmp_path)
    assert str(path) in str(failure.value)


def test_a_file_of_which_nothing_is_kept_is_an_error(tmp_path):
    write(tmp_path / "mkqa" / "mkqa.jsonl.gz", [native(1, "long_answer")])
    with pytest.raises(ParameterError, match="all of its 1 questions"):
        documents("en", tmp_path)


def test_without_a_mirror_the_authors_file_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(mkqa, "SOURCE", str(write(tmp_path / "any.jsonl.gz", [native(1, "entity")])))
    assert mkqa.dataset("es", version=1.0)["test"][:] == {
        "id": ["-1"],
        "question": ["es question 1"],
        "answers": [["answer 1"]],
        "language": ["es"],
    }
    monkeypatch.setattr(mkqa, "SOURCE", str(tmp_path / "none.jsonl.gz"))
    with pytest.raises(ParameterError, match="task mkqa_es: .* cannot be downloaded .*data_mirror"):
        mkqa.dataset("es")


@needs_real
@pytest.mark.parametrize("language", SIX)
def test_the_filter_on_real_rows(language):
    sample = rows(REAL / "mkqa_native_sample" / f"{language}.jsonl.gz")
    assert [keep(row["answers"]) for row in sample].count(True) == 3
    kinds = {answer["type"] for row in sample if keep(row["answers"]) for answer in row["answers"]}
    assert kinds == {"date", "entity"}
    kept = {row["example_id"] for row in sample if keep(row["answers"])}
    others = {row["example_id"] for row in sample} - kept
    assert kept <= all_ids("en")
    assert not others & all_ids("en")


@needs_real
@pytest.mark.parametrize("language", [code for code in SIX if code != "de"])
def test_labelled_and_unlabelled_questions_are_the_papers_6758(language):
    assert len(all_ids(language)) == 6758
    assert all_ids(language) == all_ids("en")
    assert len(documents(language, REAL)) == 1758


def all_ids(language: str) -> set[str]:
    return {
        row["example_id"]
        for folder in ("mkqa", "mkqa_unlabelled")
        for row in rows(REAL / folder / f"{language}.jsonl.gz")
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_task_generates_one_bounded_line(language):
    (spec,) = resolve(["mkqa"], [language])
    assert spec.metrics == ("f1", "em")
    assert (spec.chance, spec.section) == (0.0, "4.3")
    assert spec.config["generation_kwargs"] == {"until": ["\n"], "do_sample": False, "max_gen_toks": 32}
    assert spec.config["dataset_kwargs"] == {"language": language}
    assert spec.config["doc_to_text"].count("\n") == 1


def test_the_harness_finds_the_tasks_by_their_folder():
    from lm_eval.tasks import TaskManager

    folder = Path(mkqa.__file__).parent
    found = TaskManager(include_path=folder, include_defaults=False).all_subtasks
    assert {f"mkqa_{code}" for code in LANGUAGES} == set(found) & {name for name in found if name.startswith("mkqa_")}
    assert len(LANGUAGES) == 26


def test_the_authors_codes_of_the_languages_are_each_there_once():
    names = "ar da de en es fi fr he hu it ja km ko ms nl no pl pt ru sv th tr vi zh_cn zh_hk zh_tw"
    assert " ".join(sorted(words.name for words in LANGUAGES.values())) == names
    for code, words in LANGUAGES.items():
        assert code in (words.name, {"no": "nb", "zh_cn": "zh", "zh_hk": "zh-HK", "zh_tw": "zh-TW"}.get(words.name))
        assert words.question.endswith("{{question}}") and words.answer == words.answer.strip()
        assert words.answer[-1] in ":：៖" and words.answer != words.question
