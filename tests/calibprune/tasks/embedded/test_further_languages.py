"""A row of wording opens a language: the same questions but for those that do not hold in it, in a study and in the
harness, and nothing changes for the languages that were there.
"""

import csv
from pathlib import Path

import pytest

from calibprune.corpora.cleaning import sameness
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks import embedded, yaml_files
from calibprune.tasks.catalogue import fingerprint, lacking, resolve, select
from calibprune.tasks.embedded import wording
from calibprune.tasks.embedded.wording import WORDING, Wording
from calibprune.tasks.embedded.world import clear, facts
from calibprune.tasks.paper import mkqa

OPENED = ["continuation", "knowledge", "facts"]
FRENCH = Wording("yes", " :", "Pays", "Monnaie", "Région du monde", "Lieu")
JAPANESE = Wording("no", "：", "国", "通貨", "世界の地域", "場所")


@pytest.fixture
def french(monkeypatch):
    monkeypatch.setitem(WORDING, "fr", FRENCH)


def state() -> dict:
    """What is known of the seven languages: items, configurations, fingerprints."""
    found = {}
    for spec in resolve(OPENED, list(PAPER_LANGUAGES)):
        found[spec.name] = (embedded.items(spec.family, spec.language), spec.config, fingerprint(spec))
    return found


def test_nothing_changes_for_the_seven(monkeypatch):
    before = state()
    monkeypatch.setitem(WORDING, "fr", FRENCH)
    for cached in (embedded._made, embedded._fingerprint):
        cached.cache_clear()
    assert state() == before
    assert len({fingerprint(spec) for spec in resolve(OPENED, ["de", "fr"])}) == 6


@pytest.mark.parametrize("name", OPENED)
def test_a_row_opens_the_language(french, name):
    here, english = embedded.items(name, "fr"), {item["id"]: item for item in embedded.items(name, "en")}
    assert 0.9 * len(english) < len(here) <= len(english)
    order = list(english)
    places = [order.index(item["id"]) for item in here]
    assert places == sorted(places)
    for item in here:
        assert item.get("gold") == english[item["id"]].get("gold")
        assert item.keys() == english[item["id"]].keys()
        choices = [sameness(choice) for choice in item.get("choices", item.get("answers"))]
        assert len(set(choices)) == len(choices) if name != "facts" else choices


def test_the_prompts_are_in_the_rows_words(french):
    by_id = {item["id"]: item for item in embedded.items("knowledge", "fr")}
    assert by_id["currency/CZ"]["context"] == "Pays : Tchéquie\nMonnaie :"
    assert by_id["region/KE"]["choices"][by_id["region/KE"]["gold"]] == "Afrique orientale"
    item = next(item for item in embedded.items("facts", "fr") if item["id"] == "place/Europe/Vienna")
    assert item["context"].endswith("\n\nLieu : Vienne\nPays :") and item["answers"] == ["Autriche"]


def test_what_does_not_hold_in_the_language_is_left_out_there_alone(french):
    """A place that is named like its state in French only."""
    lost = {item["id"] for item in embedded.items("knowledge", "en")} - {
        item["id"] for item in embedded.items("knowledge", "fr")
    }
    assert lost == {fact.id for fact in facts() if not clear(fact, "fr")}
    assert 1 <= len(lost) <= 5 and all(name.startswith("place/") for name in lost)
    assert all(clear(fact, language) for fact in facts() for language in PAPER_LANGUAGES)


def test_two_choices_of_one_name_are_no_question(monkeypatch):
    fact = next(fact for fact in facts() if fact.kind == "currency")
    assert clear(fact, "fr", (fact.answer, *fact.rivals[:3]))
    assert not clear(fact, "fr", (fact.answer, fact.rivals[0], fact.rivals[0], fact.rivals[1]))
    assert not clear(fact._replace(answer="no such"), "fr")


@pytest.mark.parametrize("name", OPENED)
def test_the_harness_asks_and_scores(french, name):
    from lm_eval.api.task import ConfigurableTask

    (spec,) = resolve([f"{name}_fr"], ["fr", "de"])
    task = ConfigurableTask(config=dict(spec.config))
    task.build_all_requests(limit=2)
    item = embedded.items(name, "fr")[0]
    if name == "facts":
        assert task.instances[0].arguments[0] == item["context"]
        assert task.process_results(item, [f" Le {item['answers'][0]}."]) == {"f1": 1.0, "em": 1.0}
        assert task.process_results(item, ["rien"]) == {"f1": 0.0, "em": 0.0}
        return
    arguments = [request.arguments for request in task.instances[:4]]
    assert arguments == [(item["context"], f" {choice}") for choice in item["choices"]]
    likelihoods = [(-1.0 if k == item["gold"] else -9.0, False) for k in range(4)]
    assert task.process_results(item, likelihoods)["acc"] == 1.0


def test_a_study_has_it_and_is_told_what_it_has_not(french):
    assert select(["embedded"], ["fr"]) == [(name, "fr") for name in OPENED]
    assert lacking(["embedded"], ["de", "fr"]) == {"passage": ["fr"]}
    with pytest.raises(ParameterError, match=r"^task passage_fr: does not exist; passage is there in ar, de, .*, zh: "):
        select(["passage_fr"], ["fr"])


def test_the_harnesss_command_line_finds_it_once_its_files_are_written(french, tmp_path):
    from lm_eval.tasks import TaskManager

    folder = Path(embedded.__file__).parent
    for path in folder.glob("_*_yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    for path, text in yaml_files.texts().items():
        if path.parent == folder:
            (tmp_path / path.name).write_text(text)
    manager = TaskManager(include_path=str(tmp_path), include_defaults=False)
    assert {f"{name}_fr" for name in OPENED} < set(manager.all_subtasks)
    task = manager.load(["knowledge_fr"])["tasks"]["knowledge_fr"]
    assert [document["id"] for document in task.test_docs()] == [
        item["id"] for item in embedded.items("knowledge", "fr")
    ]


def test_without_spaces_between_words_messages_cannot_be_cut(monkeypatch):
    monkeypatch.setitem(WORDING, "ja", JAPANESE)
    assert select(["embedded"], ["ja"]) == [("knowledge", "ja"), ("facts", "ja")]
    item = next(item for item in embedded.items("knowledge", "ja") if item["id"] == "currency/CZ")
    assert item["context"] == "国：チェコ\n通貨："
    assert embedded.config("knowledge", "ja")["target_delimiter"] == ""


def test_a_code_that_the_cldr_does_not_have_is_named(monkeypatch):
    monkeypatch.setitem(WORDING, "qqq", FRENCH)
    with pytest.raises(ParameterError, match=r"^the CLDR has no language 'qqq': "):
        embedded.items("knowledge", "qqq")


def test_rows_are_whole():
    assert set(PAPER_LANGUAGES) <= set(WORDING) == set(wording.languages())
    for code, row in WORDING.items():
        assert row.space in ("yes", "no"), code
        assert all(cell and cell.rstrip() == cell for cell in row), code
    with Path(wording.__file__).with_suffix(".csv").open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == ["code", *Wording._fields]


def test_the_yaml_files_are_those_that_the_tables_give():
    """And what the harness reads in them is what a study gives it."""
    from lm_eval.tasks._yaml_loader import load_yaml

    folders = {path.parent for path in yaml_files.texts()}
    there = {path: path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.yaml")}
    assert there == yaml_files.texts(), "run python -m calibprune.tasks.yaml_files"
    configs = {path.stem: load_yaml(path) for path in there}
    for name, family in embedded.TASKS.items():
        assert all(configs[f"{name}_{code}"] == embedded.config(name, code) for code in family.languages)
    assert all(configs[f"mkqa_{code}"] == mkqa.config(code) for code in mkqa.LANGUAGES)
