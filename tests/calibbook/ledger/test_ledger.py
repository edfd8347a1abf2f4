"""The ledger: every claim of the file once, tested as on its page, or with the reason why not."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from ledger_entries import ENTRIES, TESTS, entry

from calibbook.build import pages
from calibbook.checkout import ROOT
from calibbook.ledger.data import NOT_HERE, NOT_TESTED, Entry, as_frame, ledger, page_of
from calibbook.ledger.sections import SECTIONS
from calibbook.ledger.summary import by_section, in_short, section_table, since_the_run, summary
from calibbook.ledger.tables import beyond_the_paper, extremes, lines, of_the_paper
from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.s05_2_pruning_masks import data as masks
from calibbook.s05_2_pruning_masks.claims import section_5_2
from calibbook.shared.claims import Claim
from calibbook.shared.registered import BEYOND, fingerprint, registered
from calibprune import Study
from calibprune.study.publishing import MANIFEST

CLAIMS = registered()


@pytest.fixture(scope="module")
def parameters(tiny_checkpoint, tiny_texts, tmp_path_factory) -> dict:
    """A study of everything but tasks and quantization, in a store of its own."""
    folder = tmp_path_factory.mktemp("ledger")
    return {
        "models": [str(tiny_checkpoint)],
        "methods": ["wanda"],
        "sparsity": [0.5],
        "sweep_sparsity": [],
        "sweep_samples": [],
        "sweep_languages": [],
        "bits": [],
        "languages": ["de", "sw"],
        "calibration_mixtures": ["de+sw"],
        "mask_seeds": [0, 1],
        "calibration_source": tiny_texts,
        "calibration_samples": 2,
        "calibration_length": 32,
        "evaluation_source": [tiny_texts],
        "evaluation_samples": 1,
        "evaluation_length": 32,
        "metrics": ["perplexity", "subspace", "masks", "neurons"],
        "parallel_source": tiny_texts,
        "parallel_samples": 8,
        "tasks": [],
        "device": "cpu",
        "dtype": "float32",
        "store": str(folder / "results"),
        "shelves": [],
    }


@pytest.fixture(scope="module")
def study(parameters) -> Study:
    found = Study(**parameters)
    found.run(progress=False)
    return found


@pytest.fixture(scope="module")
def entries(study) -> dict[str, Entry]:
    return {one.claim.id: one for one in ledger(study)}


def test_every_claim_has_one_entry_and_a_reason_where_it_has_no_test(entries):
    assert list(entries) == list(CLAIMS)
    for one in entries.values():
        assert (one.why == "") == (len(one.tests) > 0), one.claim.id
        assert set(one.tests["claim"]) <= {one.claim.claim}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_the_page_of_a_claim_is_in_the_book_and_known_to_the_ledger(claim):
    page = page_of(claim)
    if claim.test:
        assert page in {section.page for section in SECTIONS}
        major, _, minor = claim.section.partition(".")
        assert claim.section == BEYOND or page.startswith(f"{major:0>2}_{minor}")
    assert not page or f"executed/{page}" in pages(ROOT / "_toc.yml")


def test_claims_are_tested_as_on_their_pages(study, entries):
    shown = {
        "4.1": section_4_1(study.run("languages", "mixtures", progress=False)),
        "5.2": section_5_2(
            masks.comparable(masks.similarities(study.store, masks.keeping(study.cells("languages", "draws"))))
        ),
    }
    for section, page in shown.items():
        mine = pd.concat([one.tests for one in entries.values() if one.claim.section == section and len(one.tests)])
        assert len(mine) == len(page) > 0
        wanted = page.set_index(["claim", "metric", "method"])[["what", "verdict", "p_holm", "low", "high"]]
        found = mine.set_index(["claim", "metric", "method"])[list(wanted)]
        pd.testing.assert_frame_equal(found.sort_index(), wanted.sort_index())


def test_what_was_measured_is_said(entries):
    assert set(entries["4.1-target-better"].tests["items"]) == {"31 tokens"}
    assert set(entries["5.1-flat"].tests["items"]) == {"8 sentences"}
    assert set(entries["5.3-rare"].tests["items"]) == {"32 tokens"}
    assert set(entries["5.2-first-stable"].tests["draws"]) == {"2"}
    assert set(entries["5.1-flat"].tests["draws"]) == {"1"}
    assert len(entries["beyond-neurons-survive"].tests) and len(entries["beyond-whole-embeddings"].tests)


def test_what_a_study_lacks_is_said(entries):
    assert entries["4.6-outlier"].why == "The study has no quantized model."
    assert entries["4.1-russian-for-chinese"].verdict == NOT_HERE
    assert entries["4.2-spread"].why.startswith("These records hold nothing to test it on (measure: accuracy or F1")
    untested = entries["6-perplexity-not-tasks"]
    assert untested.verdict == NOT_TESTED
    assert f"“{CLAIMS['4.1-target-best'].claim}”" in untested.why and "4.1-" not in untested.why


def test_a_study_that_is_not_done_is_tested_as_far_as_it_goes_and_nothing_is_computed(study, parameters, tmp_path):
    copy = tmp_path / "results"
    shutil.copytree(parameters["store"], copy)
    lost = next(cell for cell in study.cells("mixtures"))
    (folder,) = [path for path in copy.rglob(f"{lost.id}*") if path.is_dir()]
    shutil.rmtree(folder)
    before = files(copy)
    found = {one.claim.id: one for one in ledger(Study(**(parameters | {"store": str(copy)})))}
    assert files(copy) == before
    assert (
        found["4.1-target-better"].why
        == "3 of the 4 models that it takes are done; `calibprune study` computes the others."
    )
    assert found["4.4-mixtures-help"].verdict == NOT_HERE
    assert len(found["5.1-flat"].tests)
    empty = ledger(Study(**(parameters | {"store": str(tmp_path / "none")})))
    assert not any(len(one.tests) for one in empty) and in_short(empty).plain.count("Of those") == 0


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if "claims" not in path.parts}


def test_verdicts_are_counted_but_for_those_on_the_papers_numbers():
    assert [one.verdict for one in ENTRIES] == ["held 2, undecided 2", NOT_HERE, "held", NOT_TESTED, "held"]
    counts = by_section(ENTRIES).set_index("section")
    assert counts.loc["4.1"].tolist() == ["1 of 1", 4, 2, 0, 2]
    assert counts.loc[f"4.2 ({NOT_HERE})"].tolist() == ["0 of 1", 0, 0, 0, 0]
    assert counts.loc["4.6"].tolist() == ["1 of 1", 1, 1, 0, 0]
    assert counts.loc[f"6 ({NOT_TESTED})"].tolist() == ["0 of 1", 0, 0, 0, 0]
    assert counts.loc["all of the paper"].tolist() == ["2 of 4", 5, 3, 0, 2]
    assert counts.loc["beyond the paper"].tolist() == ["1 of 1", 1, 1, 0, 0]
    said = in_short(ENTRIES).plain
    assert "The ledger has 4 claims of the paper and 1 question of the book's own. This study tests 2" in said
    assert "For 1 it has no records, and 1 cannot be decided" in said
    assert "Of those 1 held in every test, 1 in some and 0 in none." in said
    assert "Of 6 tests 4 held, 0 not held and 2 undecided." in said and fingerprint() in said


def test_the_summary_is_that_of_the_studys_ledger(study, entries, monkeypatch):
    ledgers = {study: list(entries.values())}
    monkeypatch.setattr("calibbook.ledger.summary.ledger", ledgers.__getitem__)
    assert summary(study).html == section_table(list(entries.values())).html


def test_results_of_several_tests_are_their_extremes_unit_by_unit():
    assert extremes(ENTRIES[0].tests) == [
        "From +3.0 points (1.00 to 5.00) to +9.0 points (7.00 to 11.0).",
        "2.00 dB (−1.00 to 5.00 dB).",
        "one model.",
    ]
    assert lines(ENTRIES[0].tests)[0] == (
        "Wanda, 50%, PPL, udhr: +3.0 points (1.00 to 5.00), corrected p 0.02, would see 2.86 four times in five: held."
    )
    assert lines(ENTRIES[1].tests) == []
    alone = entry("4.2-spread", [Claim("", note="too few languages")])
    assert extremes(alone.tests) == ["too few languages."]
    (row,) = BeautifulSoup(of_the_paper([alone]).html, "html.parser").select("tbody tr")
    assert row.summary.text == "its test"


def test_a_row_has_the_evidence_the_result_its_tests_and_a_link():
    rows = BeautifulSoup(of_the_paper(ENTRIES).html, "html.parser").select("tbody tr")
    assert [row.th.text for row in rows] == [one.claim.claim for one in ENTRIES[:4]]
    cells = {cell["data-label"]: cell for cell in rows[0].select("td")}
    assert next(iter(cells)) == "verdict" and cells["verdict"].text == "held 2, undecided 2"
    assert cells["section"].a["href"] == "04_1_pruning_results.html"
    assert cells["kind"].text == "difference"
    assert cells["the paper's evidence"].text == CLAIMS["4.1-target-better"].evidence
    assert cells["our result"].summary.text == "its 4 tests" and len(cells["our result"].select("li")) == 4
    assert cells["p, corrected"].text == "0.003 to 0.5" and float(cells["p, corrected"]["data-order"]) == 0.003
    assert cells["measured on"].get_text("|") == "8 questions|1 draw"
    _, theirs = rows[2].select("li")
    assert theirs.text.startswith("On the paper's own numbers:") and "−0.1 points" in theirs.text
    assert (
        rows[3].select_one("td[data-label='our result']").text == "It is a conjunction."
        and rows[3].a["href"] == "06_conclusion.html"
    )
    (outlier,) = BeautifulSoup(of_the_paper([entry("4.6-outlier", TESTS[:1])]).html, "html.parser").select("tbody tr")
    assert outlier.select_one("td[data-label=kind]").get_text(" ") == "equivalence 1 point"
    (beyond,) = BeautifulSoup(beyond_the_paper(ENTRIES).html, "html.parser").select("tbody tr")
    assert beyond.a["href"] == "04_6_quantization.html" and beyond.a.text == "4.6"


def test_every_test_and_every_claim_without_one_is_in_the_data():
    found = as_frame(ENTRIES)
    assert found["id"].tolist() == ["4.1-target-better"] * 4 + [
        "4.2-english-strongest",
        *["4.6-target-better"] * 2,
        "6-perplexity-not-tasks",
        "beyond-equal-memory",
    ]
    assert found["verdict"].tolist()[4:8] == [NOT_HERE, "held", "not held", NOT_TESTED]
    assert found["note"].tolist()[4] == "These records hold nothing."


def test_a_change_of_the_claims_after_the_published_run_is_said(tmp_path):
    assert since_the_run(tmp_path) == "", "no run"
    for then, said in ((fingerprint(), "It is the same as"), ("0" * 64, "was changed after")):
        (tmp_path / MANIFEST).write_text(json.dumps({"fixed": {"book/calibbook/claims.yaml": then}}))
        assert said in since_the_run(tmp_path)
    for other in ({}, {"fixed": 3}, {"fixed": {"other.yaml": "0"}}):
        (tmp_path / MANIFEST).write_text(json.dumps(other))
        assert since_the_run(tmp_path) == ""
