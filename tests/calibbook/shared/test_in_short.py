"""The box that a section's page opens with."""

import json
import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from calibbook.checkout import ROOT
from calibbook.ledger.data import page_of
from calibbook.ledger.sections import SECTIONS
from calibbook.shared.claim_tables import NOTHING
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.in_short import BRACKETS, in_short, words
from calibbook.shared.registered import BEYOND, registered, wording
from calibbook.shared.verdicts import VERDICTS

LEAD = Claim(
    wording("4.6-target-better"),
    metric="knowledge",
    model="a",
    method="gptq",
    sparsity="4-bit",
    what="+2.5 points",
    statistic=2.5,
    low=1.0,
    high=4.0,
    verdict="held",
)
OPEN = replace(LEAD, sparsity="8-bit", what="+0.2 points", statistic=0.2, low=-0.1, high=0.5, verdict="undecided")
AT_EQUAL = Claim(wording("beyond-equal-memory"), "udhr", "perplexity", "a", "wanda", what="", verdict="undecided")


def test_it_says_what_was_found_how_sure_that_is_and_what_follows():
    order = Claim(wording("4.6-order-changes"), model="a", method="gptq", verdict="not held")
    paper, found, sure, follows, *named = in_short("4.6", claims_frame([LEAD, OPEN, order])).plain.splitlines()[1:]
    assert paper == f"The paper says: {words()['4.6']['says']}"
    quantity = "Right answers, calibrated in the target language instead of the average other (knowledge)"
    numbers = "GPTQ 4-bit +2.5 points (1.00 to 4.00), held; GPTQ 8-bit +0.2 points (−0.100 to 0.500), undecided"
    assert found == f"We find: {quantity}: {numbers}."
    assert sure == f"How sure: Of 3 tests 1 held, 1 not held and 1 undecided. {BRACKETS}"
    so = "Calibrate a quantized model in the language that it is for"
    assert follows == f"So what: {so} (GPTQ 4-bit; for GPTQ 8-bit that is not shown)."
    assert named == [
        f"Held in some: {LEAD.claim} (1 held, 1 undecided).",
        f"Held in none: {order.claim} (1 not held).",
    ]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_follows_is_that_of_the_verdict(verdict):
    said = in_short("4.6", claims_frame([replace(LEAD, verdict=verdict), replace(OPEN, verdict=verdict)])).plain
    so = words()["4.6"]["shows"][0]["so"][verdict]
    assert f"\nSo what: {so[0].upper()}{so[1:]}.\n" in said


def test_evidence_against_a_claim_goes_before_none_for_it():
    tests = [replace(LEAD, verdict="undecided"), replace(OPEN, verdict="not held")]
    so = words()["4.6"]["shows"][0]["so"]["not held"]
    assert (
        f"So what: {so[0].upper()}{so[1:]} (GPTQ 8-bit; for GPTQ 4-bit that is not shown).\n"
        in in_short("4.6", claims_frame(tests)).plain
    )


def test_of_many_tests_it_gives_the_least_and_the_most():
    tests = [
        replace(LEAD, sparsity=f"{bits}-bit", what=f"+{bits}.0 points", statistic=bits, low=float("nan"))
        for bits in (2, 3, 4, 5, 6)
    ]
    said = in_short("4.6", claims_frame([*tests[1:], replace(tests[0], verdict="undecided")])).plain
    assert "(knowledge): in 5 tests from +2.0 points to +6.0 points, 4 held, 1 undecided." in said
    assert "in the language that it is for (4 of 5 tests)." in said


def test_only_the_first_model_text_and_measure_speak_and_the_model_is_named_where_there_are_several():
    elsewhere = [replace(LEAD, model="b", what="+9.0 points"), replace(LEAD, metric="facts", what="+8.0 points")]
    said = in_short("4.6", claims_frame([LEAD, *elsewhere])).plain
    assert "(knowledge, a): GPTQ +2.5 points (1.00 to 4.00), held." in said
    assert "+9.0" not in said and "+8.0" not in said and "Of 3 tests 3 held" in said


def test_of_claims_that_are_counted_every_test_is_and_of_tasks_those_alone():
    alike = Claim(wording("4.5-winners-alike"), "udhr", "perplexity", "a", "wanda", what="7 of 7", verdict="held")
    asked = [
        replace(alike, source="", metric=task, what="0 of 7", verdict="not held") for task in ("facts", "knowledge")
    ]
    said = in_short(
        "4.5", claims_frame([alike, *asked, replace(asked[0], method="sparsegpt", verdict="undecided")])
    ).plain
    assert "(perplexity on udhr): Wanda 7 of 7, held. The same, by scores in tasks: 2 not held, 1 undecided." in said
    assert "By scores in tasks, it cannot (2 of 3 tests)." in said


def test_claims_beyond_the_paper_are_counted_apart():
    better = replace(AT_EQUAL, what="54.7% less", statistic=-54.7, low=-63.8, high=-43.4, unit="% more", verdict="held")
    said = in_short("4.6", claims_frame([OPEN]), claims_frame([better])).plain
    assert "at about equal memory (perplexity on udhr): Wanda 54.7% less (43.4 to 63.8% less), held." in said
    counts = "Of 1 tests 0 held, 0 not held and 1 undecided. Beyond the paper: of 1 tests 1 held"
    assert counts in said and "Quantize rather than prune at about equal memory." in said
    assert better.claim not in said  # among the claims by verdict are those of the paper alone


def test_of_a_section_that_was_not_tested_it_has_the_papers_finding_alone():
    lines = in_short("4.6", claims_frame([]), claims_frame([AT_EQUAL]), "Two families.").plain.splitlines()
    assert lines[:2] == ["In short.", "Two families."] and lines[2].startswith("The paper says:")
    assert lines[3].startswith(f"How sure: {NOTHING}") and len(lines) == 4


def test_the_claims_by_verdict_are_behind_a_line_that_a_reader_opens():
    soup = BeautifulSoup(in_short("4.6", claims_frame([LEAD])).html, "html.parser")
    assert len(soup.select("div.admonition > p:not(.admonition-title)")) == 4
    assert soup.details.summary.text == "Which claims these are"
    assert soup.details.p.text == f"Held in every test: {LEAD.claim}."


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.number)
def test_every_section_has_words_and_its_page_opens_with_them(section):
    text = words()[section.number]
    assert text["says"].endswith(".") and any("so" in about for about in text["shows"])
    for about in text["shows"]:
        claim = registered()[about["claim"]]
        assert claim.section == section.number or (claim.section, page_of(claim)) == (BEYOND, section.page)
        assert claim.test and set(about.get("so", VERDICTS)) == set(VERDICTS)
    notebook = json.loads((ROOT / "notebooks" / f"{section.page}.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert f'in_short("{section.number}", ' in code[2]


def test_its_words_hold_no_numbers():
    said = [about for text in words().values() for about in [text["says"], *map(str, text["shows"])]]
    assert set(words()) == {section.number for section in SECTIONS}
    assert not [one for one in said if re.search(r"\d", re.sub(r"'claim': '[^']*'", "", one))]
