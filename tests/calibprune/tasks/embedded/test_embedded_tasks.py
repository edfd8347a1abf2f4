"""The embedded tasks: parallel, balanced, without the answer among the distractors, without calibration text, the same
everywhere.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from calibprune.corpora import corpus
from calibprune.corpora.cleaning import sameness
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks import embedded
from calibprune.tasks.embedded import arrange, continuation, passage
from calibprune.tasks.embedded.cutting import bonds, cut, ends_sentence
from calibprune.tasks.embedded.wording import joint

FOUR_WAY = [name for name, task in embedded.TASKS.items() if task.chance == 0.25]
EVERY = pytest.mark.parametrize("name", list(embedded.TASKS))
CHOICES = pytest.mark.parametrize("name", FOUR_WAY)
FOLDER = Path(embedded.__file__).parent


def all_items(name):
    return {language: embedded.items(name, language) for language in PAPER_LANGUAGES}


@EVERY
def test_parallel_in_all_languages(name):
    found = all_items(name)
    assert set(found) <= set(embedded.TASKS[name].languages)
    english = [item["id"] for item in found["en"]]
    assert len(set(english)) == len(english)
    for items in found.values():
        assert [item["id"] for item in items] == english
        assert [item.get("gold") for item in items] == [item.get("gold") for item in found["en"]]
        assert all(item.keys() == items[0].keys() for item in items)


@pytest.mark.parametrize("name, least", [("continuation", 350), ("knowledge", 400), ("facts", 400), ("passage", 80)])
def test_there_are_enough(name, least):
    assert len(embedded.items(name, "en")) >= least


@CHOICES
def test_no_answer_among_the_distractors(name):
    for language, items in all_items(name).items():
        for item in items:
            choices = [sameness(choice) for choice in item["choices"]]
            assert len(set(choices)) == len(choices) == 4, (language, item)
            assert "" not in choices


@CHOICES
def test_gold_positions_uniform_in_every_prefix(name):
    gold = [item["gold"] for item in embedded.items(name, "en")]
    for count in range(4, len(gold) + 1, 4):
        assert set(Counter(gold[:count]).values()) == {count // 4}
    runs = Counter(pairwise(gold))
    assert len(runs) >= 12  # of 16: the next position does not follow from the one before


@EVERY
def test_texts_are_clean(name):
    for language, items in all_items(name).items():
        texts = [text for item in items for text in (item["context"], *item.get("choices", item.get("answers")))]
        assert all(text == text.strip() and text for text in texts), language
        assert not re.search("[\u00ad\u200e\u200f\ufffd]", "".join(texts))


@pytest.mark.parametrize("name, source", [("continuation", "chromium"), ("passage", "udhr")])
def test_every_text_is_of_the_validation_split(name, source):
    for language, items in all_items(name).items():
        glue = joint(language)
        validation, calibration = (
            [squeezed(text) for text in corpus(source, language, split)] for split in ("validation", "calibration")
        )
        whole = "\n".join(validation)
        for item in items:
            asked = squeezed(item["context"] + glue + item["choices"][item["gold"]])
            assert asked in glue.join(validation)
            assert all(squeezed(choice) in whole for choice in item["choices"])
            assert not any(text in asked or asked in text for text in calibration)


def squeezed(text):
    return " ".join(text.split())


def test_endings_are_exchangeable():
    """A choice does not give itself away: similar length in every language, and a full stop in all four or in none."""
    for items in all_items("continuation").values():
        ratios = []
        for item in items:
            assert len({ends_sentence(choice) for choice in item["choices"]}) == 1
            # each within twice the right one
            assert max(map(len, item["choices"])) <= 4 * min(map(len, item["choices"]))
            assert not item["context"].endswith((".", "!", "?", "。", "؟"))
            lengths = [len(choice) for choice in item["choices"]]
            ratios += [lengths[item["gold"]] / length for k, length in enumerate(lengths) if k != item["gold"]]
        ratios.sort()
        assert ratios[0] >= 0.5 and ratios[-1] <= 2
        assert 0.85 < ratios[len(ratios) // 2] < 1.18


def test_distractors_are_the_same_messages_in_every_language():
    messages = {question.message for question in continuation.questions()}
    for question in continuation.questions():
        assert question.choices[question.gold] == question.message
        assert len(set(question.choices)) == 4
    assert len(messages) == len(continuation.questions())


def test_passages_come_from_other_articles():
    at = passage.places()
    for question in passage.questions():
        own = at[question.place].article
        assert [at[choice].article == own for choice in question.choices] == [k == question.gold for k in range(4)]


def test_fingerprints_are_the_same_in_another_process():
    here = {name: embedded.fingerprint(name) for name in embedded.TASKS}
    command = (
        "from calibprune.tasks import embedded; print({name: embedded.fingerprint(name) for name in embedded.TASKS})"
    )
    for seed in ("1", "2"):  # of the hashes by which sets are ordered
        there = subprocess.check_output(
            [sys.executable, "-c", command], env=os.environ | {"PYTHONHASHSEED": seed}, text=True
        )
        assert there.strip() == str(here)
    assert len(set(here.values())) == len(here)


def test_fingerprint_depends_on_the_items(monkeypatch):
    before = embedded.fingerprint("knowledge")
    built = embedded.TASKS["knowledge"]

    def other(language):
        return [
            item | {"context": "?"} if language == "sw" and k == 0 else item
            for k, item in enumerate(built.build(language))
        ]

    monkeypatch.setitem(embedded.TASKS, "knowledge", built._replace(build=other))
    assert embedded.fingerprint("knowledge") != before


def test_the_harness_loads_every_yaml_file():
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(FOLDER), include_defaults=False)
    names = [f"{name}_{language}" for name, family in embedded.TASKS.items() for language in family.languages]
    assert sorted(manager.all_subtasks) == sorted(names)
    tasks = manager.load(names)["tasks"]
    for name, family in embedded.TASKS.items():
        for language in family.languages:
            task = tasks[f"{name}_{language}"]
            items = embedded.items(name, language)
            assert [doc["id"] for doc in task.test_docs()] == [item["id"] for item in items]
            assert set(task.aggregation()) == set(family.metrics)


@CHOICES
@pytest.mark.parametrize("language", ["de", "zh"])
def test_requests_and_accuracy_in_the_harness(name, language):
    from lm_eval.api.task import ConfigurableTask

    task = ConfigurableTask(config=embedded.config(name, language))
    task.build_all_requests(limit=3)
    item = embedded.items(name, language)[0]
    arguments = [request.arguments for request in task.instances[:4]]
    assert arguments == [(item["context"], joint(language) + choice) for choice in item["choices"]]
    likelihoods = [(-1.0 if k == item["gold"] else -9.0, False) for k in range(4)]
    assert task.process_results(item, likelihoods)["acc"] == 1.0
    assert task.process_results(item, likelihoods[::-1])["acc"] == float(item["gold"] == 3 - item["gold"])


def test_generated_answers_in_the_harness():
    from lm_eval.api.task import ConfigurableTask

    task = ConfigurableTask(config=embedded.config("facts", "en"))
    task.build_all_requests(limit=2)
    item = embedded.items("facts", "en")[0]
    context, settings = task.instances[0].arguments
    assert context == item["context"] and settings["until"] == ["\n"] and settings["max_gen_toks"] == 16
    assert task.process_results(item, [f" {item['answers'][0].upper()}"]) == {"f1": 1.0, "em": 1.0}
    assert task.process_results(item, ["something else"]) == {"f1": 0.0, "em": 0.0}


@pytest.mark.parametrize("ask", [embedded.items, embedded.config])
def test_unknown_names(ask):
    with pytest.raises(
        ParameterError, match=r"unknown embedded task 'trivia': choose one of continuation, knowledge, facts, passage"
    ):
        ask("trivia", "de")
    with pytest.raises(ParameterError, match="unknown language of facts 'xx': choose one of ar, de"):
        ask("facts", "xx")
    with pytest.raises(ParameterError, match="unknown embedded task"):
        embedded.fingerprint("trivia")


def test_order_depends_on_the_salt_alone():
    names = [str(i) for i in range(40)]
    assert arrange.shuffled(names, "a") == arrange.shuffled(reversed(names), "a") != arrange.shuffled(names, "b")
    assert sorted(arrange.shuffled(names, "a")) == sorted(names)
    assert arrange.with_gold(["x", "y", "z"], "gold", 2) == ["x", "y", "gold", "z"]


@pytest.mark.parametrize(
    "language, text, parts",
    [
        ("en", "Open the window now", ("Open the", "window now")),
        # not after a full stop, though that is nearer
        ("en", "It is open. Shut the window", ("It is open. Shut", "the window")),
        ("de", "Öffnen: das Fenster", ("Öffnen: das", "Fenster")),
        ("en", "Window", None),
        ("zh", "打开窗户并关上窗户", ("打开窗户", "并关上窗户")),  # not inside 窗户, which occurs twice
        ("zh", "打开Chrome", None),
    ],
)
def test_cut(language, text, parts):
    assert cut(text, language, bonds(["打开窗户并关上窗户", "窗户", "关上"])) == parts


def test_cut_keeps_every_letter():
    for language in PAPER_LANGUAGES:
        texts = corpus("chromium", language, "validation")
        bond = bonds(texts)
        halves = [(text, cut(text, language, bond)) for text in texts]
        assert sum(pair is not None for _, pair in halves) > 0.9 * len(texts)
        assert all(joint(language).join(pair) == text for text, pair in halves if pair)
