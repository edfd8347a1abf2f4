"""Closed-book knowledge: the paper's Table 3, ours beside it, and the verdicts on what pruning takes."""

import numpy as np
import pytest
from frames import SEVEN
from task_items import DENSE, item_scores, lines_of, parsed, verdicts

from calibbook.s04_2_downstream_tasks import claims_order as language_order
from calibbook.s04_2_downstream_tasks.data import compare
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import beside_quotes, change_of_order
from calibbook.s04_3_open_domain_qa.claims import KNOWLEDGE_IS_LOST, LOST_IN_ENGLISH, kept, section_4_3
from calibbook.s04_3_open_domain_qa.tables import beside_table_3


def section(scores):
    """The frame of the section's claims on these scores."""
    return section_4_3(compare(scores), scores)


def paper_score(model, method, calibration, language, sparsity=0.5):
    """A number of the paper's Table 3."""
    setting = {"sparsity": 0.0, "pattern": "dense"} if method == "dense" else {"sparsity": sparsity}
    names = {"pattern": "unstructured", "task": "mkqa", "metric": "f1"} | setting
    return NUMBERS.get(model=model, method=method, calibration=calibration, language=language, **names)


def test_the_papers_table_3_is_there_but_for_the_row_that_its_text_lacks():
    languages = [code for code in SEVEN if code != "sw"]
    known = NUMBERS.of("Table 3")
    assert len(known) == 25 * len(languages) and known["value"].between(0, 0.5).all()
    assert paper_score("llama3-8b", "dense", "", "en") == pytest.approx(0.383)
    assert paper_score("CohereForAI/aya-23-8B", "sparsegpt", "ru", "zh") == pytest.approx(0.004)
    assert [paper_score("aya23-8b", "sparsegpt", "zh", code) for code in languages] == [None] * 6
    assert paper_score("llama3-8b", "wanda", "ar", "en", sparsity=0.6) is None
    assert paper_score("gemma3-270m", "wanda", "ar", "en") is None


def test_table_3_has_the_papers_models_beside_ours():
    rows = compare(item_scores(languages=("en", "sw"), tasks=("facts",), generated=True, items=60))
    soup = parsed(beside_table_3(rows, "Table 3"))
    groups = [th.text for th in soup.select("thead th[scope=colgroup]")]
    assert groups == ["gemma3-270m, facts, 50%", "the paper: Llama-3 8B, MKQA", "the paper: Aya-23 8B, MKQA"]
    lines = lines_of(soup)
    assert list(lines)[:3] == [("Dense", "none"), ("Wanda", "AR"), ("Wanda", "DE")]
    dense = rows.query("method == 'dense' and language == 'en'")["mean"].iloc[0]
    shown = [td.text for td in lines[("Dense", "none")]]
    assert [shown[0], *shown[2:4]] == [f"{100 * dense:.1f}", "8.9", "26.8"]
    assert [td.text for td in lines[("SparseGPT", "ZH")]] == [
        "–",
        "–",
        "0.1",
        "7.4",
        "18.1",
        "9.3",
        "5.1",
        "0.7",
        *"??????",
    ]
    assert {td.span["aria-label"] for td in lines[("SparseGPT", "ZH")][-6:]} == {"not known"}
    assert [td.text for td in lines[("SparseGPT", "SW")]][2:] == ["–"] * 12
    assert "compare what is lost, not the numbers" in soup.caption.text


def test_table_3_has_rows_for_methods_that_the_paper_does_not_have():
    rows = compare(
        item_scores(languages=("en", "sw"), tasks=("facts",), methods=("wanda", "unheard_of"), generated=True, items=60)
    )
    lines = lines_of(parsed(beside_table_3(rows, "Table 3")))
    ours = rows.query("method == 'unheard_of' and calibration == 'sw' and language == 'en'")["mean"].iloc[0]
    assert lines["unheard_of", "SW"][0].text.split()[0] == f"{100 * ours:.1f}"
    assert [td.text for td in lines["unheard_of", "SW"][2:]] == ["–"] * 12


def test_what_is_kept_ours_and_the_papers():
    rows = compare(item_scores(languages=("en", "sw"), tasks=("facts",), generated=True, items=60))
    lines = kept(rows).set_index(["measured", "model", "method"])
    before = rows.query("method == 'dense' and language == 'en'")["mean"].iloc[0]
    after = rows.query("method == 'wanda' and language == 'en'")["mean"].mean()
    assert (
        lines.loc[("here", "gemma3-270m", "Wanda"), "EN"]
        == f"{100 * before:.1f} to {100 * after:.1f} ({100 * after / before:.0f}%)"
    )
    assert lines.loc[("the paper", "llama3-8b", "Wanda"), "EN"] == "38.3 to 19.0 (50%)"
    assert lines.loc[("the paper", "aya23-8b", "SparseGPT"), "SW"] == "–"


@pytest.mark.parametrize("generated", [False, True])
def test_knowledge_that_is_lost_everywhere(generated):
    scores = item_scores(tasks=("facts",), methods=("wanda",), target=0.0, items=400, generated=generated)
    found = section(scores)
    assert verdicts(found, KNOWLEDGE_IS_LOST) == {"held"}
    assert verdicts(found, language_order.LANGUAGES_DIFFER) == {"held"} and verdicts(
        found, language_order.LATIN_IS_STRONGER
    ) == {"held"}
    assert verdicts(found, LOST_IN_ENGLISH) == {"held"}
    row = found[found["claim"] == KNOWLEDGE_IS_LOST].iloc[0]
    points = 100 * 0.15 * (0.75 if generated else 1)  # half of the right answers are half right
    share = 0.15 / np.mean([DENSE[code] for code in SEVEN])
    assert row["low"] < row["statistic"] < row["high"] and row["statistic"] == pytest.approx(points, abs=2)
    assert abs(int(row["what"].split()[2].rstrip("%")) - 100 * share) < 5


def test_knowledge_that_is_kept_or_that_was_never_there():
    kept = item_scores(tasks=("facts",), methods=("wanda",), target=0.0, effects={"wanda": 0.14}, items=400)
    assert verdicts(section(kept), KNOWLEDGE_IS_LOST) == {"not held"}  # a hundredth of all answers
    nothing = {
        column: {text: np.zeros((1, 20)) for text in by_text}
        for column, by_text in item_scores(tasks=("facts",), items=20, methods=("wanda",)).items()
    }
    found = section(nothing)
    assert set(found["verdict"]) == {"undecided"}


def test_numbers_of_the_text_beside_ours():
    rows = compare(item_scores(languages=("en", "es"), tasks=("belebele",), items=20))
    lines = beside_quotes(rows, "4.2").set_index(["method", "calibration"])
    assert lines.loc[("Wanda", "es"), "the paper"] == "58.5, llama3-8b"
    ours = rows.query("method == 'wanda' and calibration == 'es' and language == 'en'")["mean"].iloc[0]
    assert (
        lines.loc[("Wanda", "es"), "gemma3-270m"] == f"{100 * ours:.1f}"
        and lines.loc[("SparseGPT", "zh"), "gemma3-270m"] == "not measured"
    )
    assert len(beside_quotes(rows, "4.4")) == 8 and set(beside_quotes(rows, "4.4")["gemma3-270m"]) == {"not measured"}
    assert "Arabic 55.3% before pruning and 45.1% after it" in change_of_order()
