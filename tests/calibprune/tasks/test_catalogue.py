"""Tasks by name: families, groups and single tasks, in every language that the harness has; what cannot be had; the
harness's own prompts; what names a task in a cell's id.
"""

from pathlib import Path

import lm_eval
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mirrors import ROWS, write

from calibprune.errors import ParameterError
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES
from calibprune.study.study import Study
from calibprune.tasks.catalogue import PAPER, families, fingerprint, groups, lacking, resolve, select, split

ALL = list(PAPER_LANGUAGES)
HARNESS = Path(lm_eval.__file__).parent / "tasks"
NAMES = [*groups(), *families(), *(f"{name}_{code}" for name, family in families().items() for code in family.yaml)]


FIVE = ["arc_easy", "arc_challenge", "belebele", "mmlu", "hellaswag"]  # of the paper's Section 4.2


def without_mirror(names) -> int:
    """How many tasks the families of PAPER have in the seven languages whose data are the hub's."""
    return sum(len(set(PAPER[name].languages(mirrored=False)) & set(ALL)) for name in names)


def harness_languages(folder: str) -> set[str]:
    """What the harness's files in a folder say themselves that they are about."""
    read = [yaml.load(path.read_text(), yaml.BaseLoader) for path in (HARNESS / folder).glob("*_*.yaml")]
    return {config["dataset_name"] for config in read if "dataset_name" in config}


def tasks(*names, languages=ALL, mirrored=False):
    return " ".join(f"{family}_{code}" for family, code in select(list(names), languages, mirrored))


@pytest.mark.parametrize(
    ("family", "languages"),
    [
        ("arc_easy", "en"),
        ("arc_challenge", "ar de en es ru zh"),
        ("belebele", "ar de en es ru sw zh"),
        ("mmlu", "ar de en es ru zh"),
        ("hellaswag", "ar de en es ru"),
        ("mkqa", "ar de en es ru zh"),
        ("continuation", "ar de en es ru sw zh"),
        ("facts", "ar de en es ru sw zh"),
    ],
)
def test_a_family_is_its_tasks_in_the_languages_it_exists_in(family, languages):
    assert tasks(family) == " ".join(f"{family}_{code}" for code in languages.split())
    assert tasks(family, languages=["en"]) == f"{family}_en"


def test_the_papers_group_is_section_4_2_with_the_easy_set_in_english_only():
    def asked(*languages, mirrored=False):
        found = select(["paper"], list(languages), mirrored)
        return " ".join(f"{family}_{code}" for family, code in found if family in FIVE)

    assert asked("en") == "arc_easy_en arc_challenge_en belebele_en mmlu_en hellaswag_en"
    assert asked("zh", "sw") == "arc_challenge_zh belebele_zh belebele_sw mmlu_zh"
    assert asked("de", mirrored=True) == "arc_challenge_de belebele_de mmlu_de hellaswag_de"
    assert without_mirror(FIVE) == 1 + 6 + 7 + 6 + 5
    assert "mkqa" not in groups()["paper"]
    assert len(select(["paper"], ALL)) == without_mirror(groups()["paper"])


def test_the_embedded_group_is_every_embedded_family_in_every_language_of_the_study():
    names = groups()["embedded"]
    assert {"continuation", "knowledge", "facts", "passage"} <= set(names)
    assert tasks("embedded", languages=["sw", "de"]) == " ".join(
        f"{name}_{code}" for name in names for code in ("sw", "de")
    )


def test_a_mirror_adds_translations_of_the_easy_set():
    assert tasks("arc_easy", languages=["en", "zh"], mirrored=True) == "arc_easy_en arc_easy_zh"
    assert tasks("arc_easy_de", mirrored=True) == "arc_easy_de"


def test_tasks_named_twice_are_there_once_in_the_order_of_the_names():
    assert tasks("mmlu_de", "mmlu", "mkqa_en", "mmlu_de", languages=["en", "de"]) == "mmlu_de mmlu_en mkqa_en"


def test_belebele_is_there_in_all_of_the_harnesss_variants_and_in_every_language_of_the_table():
    variants = harness_languages("belebele")
    assert len(variants) == 122
    assert set(PAPER["belebele"].yaml) == variants | set(LANGUAGES)
    assert tasks("belebele", languages=["nb", "he", "zho_Hant", "yor_Latn", "xx"]) == (
        "belebele_nb belebele_he belebele_zho_Hant belebele_yor_Latn"
    )
    assert {spec.language: spec.config["dataset_name"] for spec in resolve(["belebele"], [*LANGUAGES, *variants])} == {
        code: LANGUAGES[code].flores if code in LANGUAGES else code for code in (*LANGUAGES, *variants)
    }


@pytest.mark.parametrize(
    ("family", "folder", "count", "prefix"),
    [
        ("arc_challenge", "arc_multilingual", 31, "arc"),
        ("hellaswag", "hellaswag_multilingual", 30, "hellaswag"),
        ("mmlu", "mmlu_multilingual", 34, "m_mmlu"),
    ],
)
def test_okapis_translations_are_there_in_all_of_the_harnesss_languages(family, folder, count, prefix):
    from lm_eval.tasks._yaml_loader import load_yaml

    found = harness_languages(f"okapi/{folder}")
    assert len(found) == count and {"vi", "hi", "uk", "eu"} <= found
    assert set(PAPER[family].yaml) == found | {"en"}
    for spec in resolve([family], sorted(found - {"en"})):
        own = load_yaml(HARNESS / f"okapi/{folder}/{prefix}_{spec.language}.yaml")
        assert spec.config == own | {"task": f"{family}_{spec.language}", "num_fewshot": 0}
        assert spec.config["dataset_name"] == spec.language
    assert fingerprint(*resolve([family], ["vi"])) != fingerprint(*resolve([family], ["uk"]))


def test_a_mirror_adds_the_easy_set_in_okapis_languages():
    assert PAPER["arc_easy"].languages(mirrored=True) == PAPER["arc_challenge"].languages(mirrored=False)
    assert PAPER["arc_easy"].languages(mirrored=False) == ["en"]
    assert tasks("arc_easy", languages=["hi", "en", "sw"], mirrored=True) == "arc_easy_hi arc_easy_en"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("belebele_zho_Hans", ("belebele", "zho_Hans")),
        ("arc_easy_de", ("arc_easy", "de")),
        ("mkqa_zh-TW", ("mkqa", "zh-TW")),
        ("arc_challenge_pt", ("arc_challenge", "pt")),
    ],
)
def test_a_tasks_name_is_its_family_and_its_language(name, parts):
    assert split(name) == parts
    (found,) = resolve([name], [parts[1]], None) if parts[0] != "arc_easy" else [None]
    assert found is None or (found.name, found.family, found.language) == (name, *parts)


def test_the_name_of_no_task_has_no_parts():
    with pytest.raises(ParameterError, match=r"^unknown task 'belebelle_de'; did you mean 'belebele_de'\?$"):
        split("belebelle_de")


def test_a_group_is_whatever_there_is_and_nothing_in_languages_that_have_nothing():
    assert tasks("embedded", languages=["xx", "yor_Latn"]) == ""
    assert tasks("embedded", "belebele", languages=["xx", "yor_Latn"]) == "belebele_yor_Latn"
    assert tasks("paper", languages=["el"]) == "belebele_el"


def test_what_is_left_out_because_a_language_lacks_it_is_told():
    assert lacking(["embedded"], ["de", "xx"]) == {name: ["xx"] for name in groups()["embedded"]}
    assert lacking(["hellaswag", "belebele", "mmlu_de"], ["zh", "de", "sw", "fr"]) == {"hellaswag": ["zh", "sw"]}
    assert lacking(["paper"], ["en"]) == lacking([], ["en"]) == {}
    assert lacking(["arc_easy"], ["en", "hi"]) == {"arc_easy": ["hi"]}
    assert lacking(["arc_easy"], ["en", "hi"], mirrored=True) == {}
    assert lacking(["paper"], ["hi"], mirrored=True) == {"arc_easy": ["hi"]}


@given(
    st.lists(st.sampled_from(NAMES), max_size=4), st.lists(st.sampled_from(ALL), min_size=1, unique=True), st.booleans()
)
def test_only_tasks_in_the_studys_languages_are_chosen(names, languages, mirrored):
    try:
        found = select(names, languages, mirrored)
    except ParameterError as failure:
        assert "\n" not in str(failure)
        return
    assert len(found) == len(set(found))
    assert all(code in languages and code in families()[family].yaml for family, code in found)
    assert bool(found) == bool(names) or set(names) <= set(groups())


@pytest.mark.parametrize(
    ("names", "languages", "line"),
    [
        (["arc_chalenge"], ALL, "unknown task 'arc_chalenge'; did you mean 'arc_challenge'?"),
        (["mmlu_dee"], ALL, "unknown task 'mmlu_dee'; did you mean 'mmlu_de'?"),
        (["papers"], ALL, "unknown task 'papers'; did you mean 'paper'?"),
        (["no such"], ALL, "unknown task 'no such': choose one of paper, embedded, arc_easy, "),
        ([""], ALL, "unknown task '': choose one of"),
        (
            ["belebele_de"],
            ["en", "sw"],
            "task belebele_de: 'de' is not among the study's languages (en, sw): add it or leave the task out",
        ),
        (
            ["hellaswag_zh"],
            ALL,
            "task hellaswag_zh: does not exist; hellaswag is there in ar, bn, ca, da, de, en, es, fr, ",
        ),
        (["mkqa_sw"], ALL, "task mkqa_sw: does not exist"),
        (["arc_easy_de"], ALL, "task arc_easy_de: only a mirror has its data: give data_mirror or leave the task out"),
        (
            ["hellaswag"],
            ["zh", "sw"],
            "task hellaswag: exists in ar, bn, ca, da, de, en, es, fr, ",
        ),
        (
            ["passage_fr"],
            ["fr"],
            "task passage_fr: does not exist; passage is there in ar, de, en, es, ru, sw, zh: choose one of these",
        ),
        (
            ["belebele", "passage"],
            ["fr", "pt"],
            "task passage: exists in ar, de, en, es, ru, sw, zh, none of which is among the study's languages (fr, pt)",
        ),
        (["mmlu_el"], ["el"], "task mmlu_el: does not exist; mmlu is there in ar, bn, "),
        (["belebele_qu"], ["qu"], "task belebele_qu: does not exist; belebele is there in 171 languages"),
        (["belebele_zho_Hant"], ["zh"], "task belebele_zho_Hant: 'zho_Hant' is not among the study's languages (zh)"),
        (["belebele_zho_Hans_x"], ALL, "unknown task 'belebele_zho_Hans_x'; did you mean 'belebele_zho_Hans'?"),
        (["arc_easy_vi"], ["vi"], "task arc_easy_vi: only a mirror has its data"),
        (["arc_easy"], ["de"], "task arc_easy: exists in en, none of which"),
        (["mmlu", "arc_easy"], ["de"], "task arc_easy: exists in en, none of which"),
    ],
)
def test_what_cannot_be_had_is_one_line(names, languages, line):
    with pytest.raises(ParameterError) as failure:
        select(names, languages)
    assert str(failure.value).startswith(line)
    assert "\n" not in str(failure.value)


def test_a_mirror_must_be_a_folder(tmp_path):
    with pytest.raises(ParameterError, match="~nobody-of-that-name stands for is not known"):
        resolve(["belebele"], ALL, "~nobody-of-that-name/x")
    with pytest.raises(ParameterError, match="data_mirror: .*nowhere.* is not a folder"):
        resolve(["mmlu"], ["de"], tmp_path / "nowhere")
    with pytest.raises(ParameterError, match="data_mirror"):
        resolve(["mmlu"], ["de"], write(tmp_path / "file.gz", []))
    for path in ("nowhere", "~nobody-of-that-name"):  # also where no task reads it
        with pytest.raises(ParameterError, match=path):
            Study(models="/no/such", languages=["de"], data_mirror=path).cells()
    assert resolve([], ALL, tmp_path) == []


@pytest.mark.parametrize(
    ("name", "path", "configuration", "metrics"),
    [
        ("arc_easy_en", "allenai/ai2_arc", "ARC-Easy", ("acc", "acc_norm")),
        ("arc_challenge_en", "allenai/ai2_arc", "ARC-Challenge", ("acc", "acc_norm")),
        ("arc_challenge_ru", "alexandrainst/m_arc", "ru", ("acc", "acc_norm")),
        ("belebele_sw", "facebook/belebele", "swh_Latn", ("acc", "acc_norm")),
        ("belebele_zh", "facebook/belebele", "zho_Hans", ("acc", "acc_norm")),
        ("mmlu_en", "cais/mmlu", "all", ("acc",)),
        ("mmlu_ar", "alexandrainst/m_mmlu", "ar", ("acc",)),
        ("hellaswag_en", "Rowan/hellaswag", None, ("acc", "acc_norm")),
        ("hellaswag_es", "alexandrainst/m_hellaswag", "es", ("acc", "acc_norm")),
    ],
)
def test_without_a_mirror_the_data_are_the_hubs_that_the_harness_names(name, path, configuration, metrics):
    (spec,) = resolve([name], ALL)
    assert spec.name == spec.config["task"] == name
    assert (spec.config["dataset_path"], spec.config["dataset_name"]) == (path, configuration)
    assert (spec.metrics, spec.chance, spec.section, spec.config["num_fewshot"]) == (metrics, 0.25, "4.2", 0)
    assert "custom_dataset" not in spec.config


def test_every_task_has_a_configuration_and_a_name_of_its_own():
    specs = resolve([*PAPER], ALL)
    assert len({spec.name for spec in specs}) == len(specs) == without_mirror(PAPER)
    assert len({fingerprint(spec) for spec in specs}) == len(specs)


def test_the_english_mmlu_asks_as_each_of_the_harnesss_57_tasks_does():
    from lm_eval.utils import apply_template

    (spec,) = resolve(["mmlu"], ["en"])
    own = [yaml.safe_load(path.read_text()) for path in HARNESS.glob("mmlu/default/mmlu_*.yaml")]
    assert len(own) == 57
    for task in own:
        assert apply_template(spec.config["description"], {"subject": task["dataset_name"]}) == task["description"]
        # nothing else sets it apart
        assert set(task) <= {"dataset_name", "description", "tag", "include", "task", "task_alias"}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("arc_challenge_de", "a solid"),
        ("mmlu_en", "A"),
        ("mkqa_zh", "water"),
        ("continuation_de", None),
        ("facts_sw", None),
    ],
)
def test_the_harness_runs_a_configuration_and_reports_it_under_its_name(tmp_path, name, right):
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Oracle(LM):
        """Prefers and generates one answer, whatever is asked."""

        def loglikelihood(self, requests, **_):
            return [(float(request.args[1] == f" {right}"), False) for request in requests]

        def generate_until(self, requests, **_):
            return [f" {right}" for _ in requests]

        def loglikelihood_rolling(self, requests, **_):
            raise AssertionError("none of the tasks asks for this")

    family, language = split(name)
    if family in ROWS:
        write(tmp_path / family / f"{language}.jsonl.gz", [ROWS[family]] * 3)
    (spec,) = resolve([name], ALL, tmp_path)
    manager = TaskManager(include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=Oracle(), tasks=[spec.config], limit=2, task_manager=manager, bootstrap_iters=0, log_samples=True
    )
    assert list(found["results"]) == [name]
    assert len(found["samples"][name]) == 2
    values = {found["results"][name][f"{metric},none"] for metric in spec.metrics}
    assert values == {1.0} if right else all(0 <= value <= 1 for value in values)


def test_a_fingerprint_is_of_the_questions_not_of_where_they_lie(tmp_path):
    def found(folder, **change):
        write(tmp_path / folder / "mmlu" / "en.jsonl.gz", [ROWS["mmlu"] | change])
        (spec,) = resolve(["mmlu_en"], ALL, tmp_path / folder)
        return fingerprint(spec)

    first = found("one")
    assert found("another") == first
    assert found("another", answer="B") != first
    assert found("another") == first
    (hub,) = resolve(["mmlu_en"], ALL)
    assert fingerprint(hub) != first


def test_a_fingerprint_is_of_the_prompt_too(tmp_path):
    write(tmp_path / "mkqa" / "de.jsonl.gz", [ROWS["mkqa"]])
    (spec,) = resolve(["mkqa_de"], ALL, tmp_path)
    changed = spec._replace(config=spec.config | {"doc_to_text": "{{question}}"})
    assert fingerprint(changed) != fingerprint(spec)


def test_embedded_tasks_have_fingerprints_of_their_own():
    specs = resolve(["continuation", "facts"], ["de", "sw"])
    assert len({fingerprint(spec) for spec in specs}) == len(specs) == 4
    assert {(spec.family, spec.chance, spec.section) for spec in specs} == {
        ("continuation", 0.25, "4.2"),
        ("facts", 0.0, "4.3"),
    }
