"""The mirror: its files become what the harness's tasks read, what is wrong in them is said in one line, nothing needs
a network.
"""

import gzip
import json
import re
import socket

import pytest
from mirrors import REAL, ROWS, needs_real, options, rows, write

from calibprune.errors import ParameterError
from calibprune.tasks.catalogue import PAPER, resolve, split
from calibprune.tasks.paper import mirror

THERE = [
    (family, code) for family in PAPER for code in PAPER[family].yaml if (REAL / family / f"{code}.jsonl.gz").is_file()
]
GOLD = {"A": 0, "B": 1, "C": 2, "D": 3, "E": 4, "1": 0, "2": 1, "3": 2, "4": 3}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a task on a mirror reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def task_of(name, folder):
    from lm_eval.api.task import ConfigurableTask

    (spec,) = resolve([name], [split(name)[1]], folder)
    return ConfigurableTask(config=dict(spec.config))


@pytest.mark.parametrize("family", ["arc_easy", "arc_challenge", "mmlu", "belebele", "hellaswag", "mkqa"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_family_becomes_a_task_of_the_harness(tmp_path, no_network, family, language):
    write(tmp_path / family / f"{language}.jsonl.gz", [ROWS[family]])
    task = task_of(f"{family}_{language}", tmp_path)
    (document,) = task.eval_docs
    prompt = task.fewshot_context(document, 0)
    if family == "mkqa":
        assert prompt == {"en": "Question: what is ice\nAnswer:", "de": "Frage: what is ice\nAntwort:"}[language]
        assert task.process_results(document, ["frozen"]) == pytest.approx({"f1": 2 / 3, "em": 0})
        return
    choices, gold = task.doc_to_choice(document), task.doc_to_target(document)
    assert (
        prompt
        == {
            "arc_easy": "Question: What is ice?\nAnswer:",
            "arc_challenge": "Question: What is ice?\nAnswer:",
            "mmlu": {
                "en": "The following are multiple choice questions (with answers) about abstract algebra.\n\n",
                "de": "",
            }[language]
            + "The order of 18 in Z_24?\nA. 4\nB. 8\nC. 12\nD. 6\nAnswer:",
            "belebele": "P: Ice is solid water.\nQ: What is ice?\nA: a gas\nB: a fluid\nC: water\nD: air\nAnswer:",
            "hellaswag": "Skating: A man puts on skates. He",
        }[family]
    )
    right = {"arc_easy": "a solid", "arc_challenge": "a solid", "mmlu": "A", "belebele": "C", "hellaswag": "skates."}[
        family
    ]
    assert (choices[gold] if isinstance(gold, int) else gold) == right
    requests = task.construct_requests(document, prompt)
    assert [request.args for request in requests] == [(prompt, f" {choice}") for choice in choices]


@pytest.mark.parametrize("family", ["arc_easy", "arc_challenge", "mmlu", "hellaswag"])
def test_every_translation_asks_the_same_from_a_mirror(tmp_path, no_network, family):
    """The questions of one file, in each of the languages that the harness has beside English."""
    asked = {}
    for language in PAPER[family].yaml.keys() - {"en"}:
        write(tmp_path / family / f"{language}.jsonl.gz", [ROWS[family]])
        task = task_of(f"{family}_{language}", tmp_path)
        (document,) = task.eval_docs
        prompt = task.fewshot_context(document, 0)
        asked[language] = [request.args for request in task.construct_requests(document, prompt)]
    assert len(asked) >= 30
    assert all(found == asked["de"] for found in asked.values())


@pytest.mark.parametrize("language", ["fr", "nb", "zho_Hant", "yor_Latn"])
def test_belebele_from_a_mirror_by_our_codes_and_by_those_of_flores(tmp_path, no_network, language):
    write(tmp_path / "belebele" / f"{language}.jsonl.gz", [ROWS["belebele"]])
    (document,) = task_of(f"belebele_{language}", tmp_path).eval_docs
    assert document == ROWS["belebele"]
    assert_one_line("belebele_vi", tmp_path, str(tmp_path / "belebele" / "vi.jsonl.gz"))


@pytest.mark.parametrize(
    ("family", "change", "named"),
    [
        ("arc_challenge", {"instruction": None}, "'instruction'"),
        ("arc_challenge", {"instruction": ""}, "'instruction'"),
        ("arc_challenge", {"answer": "E"}, "one of the letters A, B, C, D"),
        ("arc_challenge", {"answer": "AB"}, "'answer'"),
        ("arc_challenge", {"option_b": 7}, "'option_b'"),
        ("arc_easy", {"option_b": None, "option_c": None}, "'option_b'"),
        ("mmlu", {"id": "0"}, "subject/split/index"),
        ("mmlu", {"option_e": "five"}, "'option_e'"),
        ("belebele", {"correct_answer_num": "5"}, "'correct_answer_num'"),
        ("hellaswag", {"gold": 4}, "'gold'"),
        ("hellaswag", {"gold": "0"}, "a whole number"),
        ("hellaswag", {"choices": ["skates.", ""]}, "'choices'"),
        ("mkqa", {"answers": []}, "'answers'"),
        ("mkqa", {"answers": ["water"]}, "'answers'"),
        ("mkqa", {"answers": [{"type": "entity", "text": "water", "aliases": "ice"}]}, "'answers'"),
        ("mkqa", {"answers": [{"type": "entity", "text": 7}]}, "'answers'"),
        ("mkqa", {"example_id": 1.5}, "'example_id'"),
        ("arc_easy", {"instruction": "half \ud83d"}, "half of a surrogate pair"),
        ("mmlu", {"option_b": "half \ud83d"}, "half of a surrogate pair"),
        ("hellaswag", {"choices": ["whole", "half \ud83d"]}, "half of a surrogate pair"),
        ("mkqa", {"answers": [{"type": "entity", "text": "water", "aliases": ["\udc00"]}]}, "half of a surrogate pair"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_column(tmp_path, family, change, named):
    path = write(tmp_path / family / "en.jsonl.gz", [ROWS[family], ROWS[family] | change])
    assert_one_line(f"{family}_en", tmp_path, f"{path}: line 2", named)


@pytest.mark.parametrize(
    ("family", "column"),
    [(family, column) for family in ROWS for column in ROWS[family] if column not in ("option_c", "option_d")],
)
def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path, family, column):
    path = write(
        tmp_path / family / "en.jsonl.gz",
        [{key: value for key, value in ROWS[family].items() if key != column} | {"other": 1}],
    )
    assert_one_line(f"{family}_en", tmp_path, f"{path}: line 1 has no column {column!r}", "other")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (gzip.compress(json.dumps(ROWS["belebele"]).encode() * 50)[:-9], "cut short"),
        (gzip.compress(b"{}")[:12] + b"\xff\xff", "cut short or damaged"),
        (json.dumps(ROWS["belebele"]).encode(), "damaged"),
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
        (gzip.compress(b"\n \n"), "empty"),
        (gzip.compress(b"\xff{}"), "not UTF-8 at byte 0"),
        (gzip.compress(b"[" * 100_000), "line 1 is not a JSON object"),
        (gzip.compress(json.dumps(ROWS["belebele"]).encode() + b"\n{]\n"), "line 2 is not a JSON object"),
        (gzip.compress(b"[1]\n"), "line 1 is not a JSON object"),
        (gzip.compress(json.dumps(ROWS["belebele"]).encode() + b"\n\n"), "line 2 is not a JSON object"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, data, named):
    path = tmp_path / "belebele" / "en.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(data)
    assert_one_line("belebele_en", tmp_path, str(path), named)


@pytest.mark.parametrize("family", list(PAPER))
def test_data_that_are_not_there_are_an_error_with_task_and_file(tmp_path, family):
    code = list(PAPER[family].yaml)[-1]
    assert_one_line(f"{family}_{code}", tmp_path, f"task {family}_{code}", str(tmp_path / family / f"{code}.jsonl.gz"))


def test_a_folder_in_the_place_of_a_file_is_not_a_file(tmp_path):
    (tmp_path / "mmlu" / "en.jsonl.gz").mkdir(parents=True)
    assert_one_line("mmlu_en", tmp_path, "is missing")


def assert_one_line(name, folder, *parts):
    with pytest.raises(ParameterError) as failure:
        resolve([name], [split(name)[1]], folder)
    assert "\n" not in str(failure.value)
    for part in parts:
        assert part in str(failure.value)


def test_texts_may_hold_other_line_separators(tmp_path):
    odd = ROWS["hellaswag"] | {"query": "one\u2028two\u0085three"}
    write(tmp_path / "hellaswag" / "en.jsonl.gz", [odd, odd])
    assert [document["query"] for document in mirror.documents("hellaswag", "en", tmp_path)] == [
        "one\u2028two\u0085three"
    ] * 2


def test_an_edited_file_is_read_again(tmp_path):
    write(tmp_path / "hellaswag" / "en.jsonl.gz", [ROWS["hellaswag"]])
    assert len(mirror.documents("hellaswag", "en", tmp_path)) == 1
    write(tmp_path / "hellaswag" / "en.jsonl.gz", [ROWS["hellaswag"]] * 3)
    assert len(mirror.documents("hellaswag", "en", tmp_path)) == 3


def test_a_byte_order_mark_and_windows_ends_of_lines(tmp_path):
    path = write(tmp_path / "hellaswag" / "en.jsonl.gz", [ROWS["hellaswag"]] * 2)
    plain = mirror.documents("hellaswag", "en", tmp_path)
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")))
    assert mirror.documents("hellaswag", "en", tmp_path) == plain


def test_a_file_that_expands_without_end(tmp_path, monkeypatch):
    path = tmp_path / "hellaswag" / "en.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"x" * 10**6))
    monkeypatch.setattr("calibprune.corpora.lines.LARGEST", 10**5)
    assert_one_line("hellaswag_en", tmp_path, f"{path}: more than 100,000 characters")


def test_three_to_five_options(tmp_path):
    fifth = ROWS["arc_challenge"] | options("one", "two", "three", "four", "five") | {"answer": "E"}
    write(tmp_path / "arc_challenge" / "ru.jsonl.gz", [ROWS["arc_easy"], fifth])
    task = task_of("arc_challenge_ru", tmp_path)
    assert [len(task.doc_to_choice(document)) for document in task.eval_docs] == [3, 5]
    assert [task.doc_to_target(document) for document in task.eval_docs] == [1, 4]


@needs_real
@pytest.mark.parametrize(("family", "language"), THERE or [("none", "")])
def test_the_real_mirrors_tasks_build_offline_and_ask_what_the_file_asks(no_network, family, language):
    raw = rows(REAL / family / f"{language}.jsonl.gz")
    task = task_of(f"{family}_{language}", REAL)
    assert len(task.eval_docs) == len(raw)
    for place in (0, len(raw) // 2, len(raw) - 1):
        row, document = raw[place], task.eval_docs[place]
        prompt = task.fewshot_context(document, 0)
        question = row.get("instruction") or row.get("question") or row["query"]
        assert _plain(question) in _plain(prompt)
        if family == "mkqa":
            assert task.process_results(document, [row["answers"][-1]["text"]]) == {"f1": 1.0, "em": 1.0}
            continue
        choices, gold = task.doc_to_choice(document), task.doc_to_target(document)
        gold = choices.index(gold) if isinstance(gold, str) else gold
        assert gold == (row["gold"] if family == "hellaswag" else GOLD[row.get("answer") or row["correct_answer_num"]])
        texts = row.get("choices") or [
            row[key] for key in sorted(row) if re.fullmatch(r"option_[a-e]|mc_answer[1-4]", key)
        ]
        if family in ("mmlu", "belebele"):
            assert all(_plain(text) in _plain(prompt) for text in texts)
            assert choices == list("ABCD")
        else:
            assert list(map(_plain, choices)) == list(map(_plain, texts))


def _plain(text):
    """Without white space and what the harness cuts out of Okapi's texts, bracketed marks of their sources."""
    return re.sub(r"\[.*?\]|\s", "", text)
