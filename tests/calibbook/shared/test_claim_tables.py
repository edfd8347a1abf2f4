"""Claims as a reader meets them."""

from dataclasses import replace

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from calibbook.shared.claim_tables import (
    NOTHING,
    claim_table,
    interval,
    readable,
    show_claims,
    verdict_sentence,
)
from calibbook.shared.claims import MORE_OR_LESS, Claim, claims_frame, directed

HELD = Claim(
    "it rains", "udhr", "perplexity", "a", "wanda", "50%", "1.20% lower", 1.2, 0.5, 2.0, "%", 0.031, n=7, verdict="held"
)
NOT = Claim(
    "it rains", "udhr", "snr_db", "a", "gptq", "4-bit", "−1.00 dB", -1.0, -2.0, -0.5, "dB", n=7, verdict="not held"
)


@pytest.mark.parametrize(
    ("unit", "low", "high", "text"),
    [
        (MORE_OR_LESS, -5.0, -1.0, "1.00 to 5.00% less"),
        (MORE_OR_LESS, 1.0, 3.0, "1.00 to 3.00% more"),
        (MORE_OR_LESS, -3.0, 1.0, "3.00% less to 1.00% more"),
        ("", 1.5, 2.5, "1.50 to 2.50"),
        ("%", 0.00474, 100.0, "0.00474 to 100%"),
        ("dB", -0.5, 1.234, "−0.500 to 1.23 dB"),
        ("%", float("nan"), 1.0, "–"),
        ("% lower", 16.6, 20.7, "16.6 to 20.7%"),
        ("% lower", -20.7, -16.6, "16.6 to 20.7%"),
        ("% lower", -3.0, 1.0, "3.00% higher to 1.00% lower"),
        ("dB higher", -3.0, -1.0, "1.00 to 3.00 dB"),
        ("points higher", -0.5, 2.0, "0.500 points lower to 2.00 points higher"),
    ],
)
def test_intervals_use_the_words_of_their_unit(unit, low, high, text):
    assert interval(Claim("it rains", statistic=(low + high) / 2, low=low, high=high, unit=unit)) == text


def test_a_result_has_one_sign_and_its_interval_the_same():
    assert [directed(value, "% lower") for value in (18.7, -18.7)] == ["18.7% lower", "18.7% higher"]
    assert directed(float("nan"), "dB higher") == "–"
    elsewhere = Claim("it rains", statistic=-0.6, low=0.1, high=0.5, unit="points higher")  # of a centre, say
    assert interval(elsewhere) == "0.100 points higher to 0.500 points higher"


def test_one_row_a_claim_and_no_column_that_says_nothing():
    table = readable(claims_frame([HELD, NOT]))
    assert table.columns.tolist() == [
        "measured as", "method", "sparsity", "result", "95% interval", "p", "p, corrected",
        "effect seen 4 times in 5", "languages", "verdict",
    ]  # fmt: skip
    assert table["measured as"].tolist() == ["PPL", "SNR"] and table["method"].tolist() == ["Wanda", "GPTQ"]
    assert table["p"].tolist() == ["0.031", "–"] and table["95% interval"].tolist() == [
        "0.500 to 2.00%",
        "−2.00 to −0.500 dB",
    ]
    named = readable(claims_frame([HELD]), always=("evaluated on",), renamed={"languages": "neurons"})
    assert named.columns.tolist() == [
        "evaluated on",
        "method",
        "result",
        "95% interval",
        "p",
        "p, corrected",
        "effect seen 4 times in 5",
        "neurons",
        "verdict",
    ]


def test_a_sentence_and_a_table_for_each_claim(monkeypatch):
    shown = []
    monkeypatch.setattr("calibbook.shared.claim_tables.display", shown.append)
    claims = claims_frame([HELD, NOT, Claim("it snows", what="nobody looked")])
    show_claims(claims, "Finding {}", counted=claims[claims["claim"] == "it rains"])
    sentence, *tables = shown
    assert sentence.data == "Of 2 tests 1 held, 1 not held and 0 undecided."
    assert ["Finding it rains" in tables[0].html, "Finding it snows" in tables[1].html] == [True, True]
    assert len(tables) == 2 and "nobody looked" in tables[1].html


def test_nothing_to_test():
    assert verdict_sentence(claims_frame([])) == NOTHING and readable(claims_frame([])).empty
    assert isinstance(readable(claims_frame([])), pd.DataFrame)


def test_the_verdict_is_the_second_column_and_a_card_names_every_value():
    soup = BeautifulSoup(claim_table(claims_frame([HELD, NOT]), "It rains").html, "html.parser")
    assert soup.select_one("h3.study-heading + .study-table-scroll") and soup.h3.text == "It rains"
    assert [head.text for head in soup.select("thead th")][:2] == ["measured as", "verdict"]
    for row, verdict in zip(soup.select("tbody tr"), ["held", "not held"], strict=True):
        assert row["role"] == "row" and row.th["role"] == "rowheader"
        cells = row.select("td")
        assert (cells[0].text, cells[0]["data-label"]) == (verdict, "verdict")
        assert all(cell["data-label"] and cell["role"] == "cell" for cell in cells)


def test_what_all_rows_share_stands_above_them():
    alike = [replace(HELD, n=7, note="drawn once"), replace(NOT, n=7, note="drawn once")]
    table = BeautifulSoup(claim_table(claims_frame(alike), "It rains", "Of two.").html, "html.parser").table
    assert table.caption.text == "Of two. In every row: 7 languages; drawn once."
    assert not {"languages", "note"} & {head.text for head in table.select("thead th")}
    single = [replace(one, n=1) for one in alike]
    table = BeautifulSoup(claim_table(claims_frame(single), "It rains").html, "html.parser").table
    assert table.caption.text == "In every row: 1 language; drawn once."
    apart = [replace(alike[0], n=6), replace(alike[1], note="")]
    table = BeautifulSoup(claim_table(claims_frame(apart), "It rains").html, "html.parser").table
    assert {"languages", "note"} <= {head.text for head in table.select("thead th")} and not table.caption.text
    (alone,) = BeautifulSoup(claim_table(claims_frame(alike[:1]), "It rains").html, "html.parser").select("tbody tr")
    assert "drawn once" in alone.text
