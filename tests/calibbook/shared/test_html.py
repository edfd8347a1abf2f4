"""Tables: every header says what it heads, every sign what it means, and nothing in them is taken for HTML."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from task_items import lines_of, parsed

from calibbook.shared.html import (
    BEST,
    MISSING,
    Cell,
    Languages,
    Mark,
    block_rows,
    box,
    calibration_label,
    deviation,
    folded,
    heat_table,
    marked,
    shown,
    text_table,
)
from calibbook.shared.languages import text_label
from calibprune.languages import LANGUAGES

WORSE = Mark("▼", "worse")
ROWS = {1: ("Wanda", Languages(("ar",))), 2: ("Wanda", Languages(("ar", "en"))), 3: ("Dense", "none")}
COLUMNS = {"p": ("ARC", Languages(("de",))), "q": ("ARC", Languages(("zh",))), "r": ("x < y", Languages(("de",)))}
CELLS = {
    (1, "p"): Cell("12.3", 0.0, BEST, "± 0.4", "11.9", "−1 to 1", "a < b"),
    (1, "q"): Cell("10.0", 1.0, WORSE),
    (2, "p"): Cell("a < b", left=True),
    (3, "r"): MISSING._replace(paper="7"),
}


def table(**changes):
    return heat_table(
        **{
            "rows": ROWS,
            "columns": COLUMNS,
            "cells": CELLS,
            "corner": ["Method", "Calibration"],
            "title": "Table <1>",
            "note": "Less & more.",
        }
        | changes
    )


def test_every_header_has_a_scope_and_heads_as_many_rows_and_columns_as_it_says():
    soup = parsed(table())
    assert all(th["scope"] for th in soup.select("th"))
    first, second = soup.select("thead tr")
    assert [(th.text, th["scope"], th.get("rowspan") or th.get("colspan")) for th in first.select("th")] == [
        ("Method", "col", "2"),
        ("Calibration", "col", "2"),
        ("ARC", "colgroup", "2"),
        ("x < y", "colgroup", "1"),
    ]
    assert [th.text for th in second.select("th")] == ["DE", "ZH", "DE"]
    assert [(th.text, th["rowspan"]) for th in soup.select("th[scope=rowgroup]")] == [("Wanda", "2"), ("Dense", "1")]
    assert [th.text for th in soup.select("th[scope=row]")] == ["AR", "AR+EN", "none"]
    assert [tag["title"] for tag in soup.select("tbody abbr")] == ["Arabic", "Arabic", "English"]
    assert len(soup.select("tbody")) == 2 and {len(row.select("td")) for row in soup.select("tbody tr")} == {3}


def test_without_shared_headers_there_is_one_line_of_them_and_no_group():
    soup = parsed(table(rows={1: ("a",)}, columns={"p": ("b",)}, corner=["of"]))
    assert [th.text for th in soup.select("thead th")] == ["of", "b"] and not soup.select("[rowspan], [colspan]")


def test_a_table_has_a_caption_and_scrolls_by_keyboard_in_a_region_of_its_name():
    soup = parsed(table())
    region = soup.select_one("div[role=region]")
    assert region["tabindex"] == "0" and region["aria-label"] == "Table <1>"
    assert soup.caption.text == "Table <1>. Less & more." and soup.caption.strong.text == "Table <1>."


def test_a_cell_shows_its_value_and_what_is_known_beside():
    cells = lines_of(parsed(table()))
    best, marked, missing = cells["Wanda", "AR"]
    assert best.text == "12.3 ★ ± 0.4 [11.9]−1 to 1" and best.strong.text == "12.3"
    assert best["class"] == ["best"] and best["title"] == "a < b" and "background-color: #00224e" in best["style"]
    assert [small.text for small in best.select("small")] == ["± 0.4", "[11.9]", "−1 to 1"]
    assert marked.text == "10.0 ▼" and marked.span["aria-label"] == "worse" and not marked.get("class")
    assert missing.span["aria-label"] == "not measured" and not missing.get("style")
    assert cells["Wanda", "AR+EN"][0].text == "a < b" and cells["Wanda", "AR+EN"][0]["class"] == ["text"]
    assert cells["Dense", "none"][2].text == "– [7]"


def test_a_cell_leads_somewhere_and_holds_what_a_reader_opens():
    cell = Cell("4 & 5", link='a.html?b="c"', fold="its tests", folded=["p < 1", "p = 1"], order=0.25)
    shown = BeautifulSoup(cell.html(), "html.parser").td
    assert (shown.a.text, shown.a["href"]) == ("4 & 5", 'a.html?b="c"')
    assert shown.details.summary.text == "its tests" and not shown.details.has_attr("open")
    assert [line.text for line in shown.select("li")] == ["p < 1", "p = 1"] and shown["data-order"] == "0.25"
    assert str(cell) == "4 & 5 p < 1 p = 1"
    assert not BeautifulSoup(Cell("4").html(), "html.parser").select("a, details, [data-order]")


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [
        (MISSING, {"none"}),
        (Cell("–", below="too few"), set()),
        (Cell("held", left=True), {"text"}),
        (Cell("a word " * 6, left=True), {"text", "long"}),
    ],
)
def test_a_line_of_a_card_has_its_columns_name_and_says_how_it_is_laid_out(cell, kinds):
    line = BeautifulSoup(cell.html("verdict"), "html.parser").td
    assert (line["data-label"], line["role"], set(line.get("class", ()))) == ("verdict", "cell", kinds)
    plain = BeautifulSoup(cell.html(), "html.parser").td
    assert not {"long", "none"} & set(plain.get("class", ())) and "data-label" not in plain.attrs


def test_an_interval_below_a_value_is_not_broken():
    assert "+1.7 (−3.4&nbsp;to&nbsp;+6.8)</small>" in Cell("46.7", below="+1.7 (−3.4 to +6.8)").html()
    assert "0.0 (the same on every item)</small>" in Cell("46.7", below="0.0 (the same on every item)").html()


def test_words_between_asterisks_are_bold_and_between_backticks_code():
    assert marked("**Take <it>:** `a*b`.") == "<strong>Take &lt;it&gt;:</strong> <code>a*b</code>."
    made = box("T", ["**So:** yes.", ""])
    assert "<p><strong>So:</strong> yes.</p>" in made.html and made.plain == "T.\nSo: yes."


def test_the_same_table_as_plain_text():
    lines = table().plain.splitlines()
    assert lines[0] == "Table <1>. Less & more." and lines[1].split() == (
        ["Method", "Calibration", "ARC", "DE", "ARC", "ZH", "x", "<", "y", "DE"]
    )
    assert lines[2].split() == ["Wanda", "AR", *["12.3", "★", "±", "0.4", "[11.9]", "−1", "to", "1"], "10.0", "▼", "–"]
    assert len(lines) == 5 and repr(table()) == table().plain


def test_a_table_without_rows_says_so():
    shown = table(rows={})
    assert parsed(shown).select_one("td").text == "none" and shown.plain == "Table <1>: none"


def frame(models=("a",), settings=((0.5, "unstructured"),), methods=("wanda",)):
    rows = [(model, "dense", 0.0, "dense", "") for model in models]
    rows += [
        (model, method, *setting, text)
        for model in models
        for method in methods
        for setting in settings
        for text in ("zh", "ar")
    ]
    return pd.DataFrame(rows, columns=["model", "method", "sparsity", "pattern", "calibration"])


def test_model_and_sparsity_head_rows_only_where_there_are_several():
    corner, rows = block_rows(frame())
    assert corner == ["Method", "Calibration"]
    assert rows["a", "wanda", 0.5, "unstructured", "zh"] == ("Wanda", Languages(("zh",)))
    assert next(iter(rows.values())) == ("Dense", "none")
    corner, rows = block_rows(frame(("a", "b"), ((0.5, "unstructured"), (0.5, "2:4"))))
    assert corner == ["Model", "Method", "Sparsity", "Calibration"]
    assert rows["b", "wanda", 0.5, "2:4", "zh"] == ("b", "Wanda", "2:4", Languages(("zh",)))
    assert rows["b", "dense", 0.0, "dense", ""] == ("b", "Dense", "–", "none")


def test_rows_of_a_block_come_as_they_are_or_in_order_and_unknown_methods_by_their_own_name():
    _, rows = block_rows(frame(methods=("unheard_of",)))
    assert [labels[0] for labels in rows.values()] == ["Dense", "unheard_of", "unheard_of"]
    assert [key[-1] for key in rows] == ["", "zh", "ar"]
    assert [key[-1] for key in block_rows(frame(), order=str)[1]] == ["", "ar", "zh"]


def test_labels_of_calibrations():
    assert [str(calibration_label(name)) for name in ("", "ar", "ar+en")] == ["none", "AR", "AR+EN"]
    assert str(Languages(("zh", "xx"), "–")) == "ZH–XX" and "<abbr" not in Languages(("xx",)).html()
    assert Languages(("yo",)).html() == '<abbr title="Yoruba">YO</abbr>'
    assert Languages(("pt-PT",)).html() == '<abbr title="Portuguese (Portugal)">pt-PT</abbr>'
    assert Languages(("zho_Hans",)).html() == '<abbr title="Chinese (Simplified)">zho_Hans</abbr>'


def test_a_mixture_of_many_languages_is_named_by_its_ends_and_their_number():
    codes = list(LANGUAGES)
    header = calibration_label("+".join(codes))
    assert str(header) == "AM+AR+…+ZH (49)" == text_label("+".join(codes))
    assert BeautifulSoup(header.html(), "html.parser").abbr["title"].split(", ") == [
        LANGUAGES[code].name for code in codes
    ]
    assert str(calibration_label("+".join(codes[:8]))) == "AM+AR+BG+BN+CA+CS+DA+DE"


@pytest.mark.parametrize(("rows", "many"), [(7, False), (31, False), (50, True)])
def test_a_table_of_many_rows_scrolls_in_a_box_with_its_head_and_row_names_in_view(rows, many):
    soup = parsed(table(rows={place: ("Wanda", str(place)) for place in range(rows)}, cells={}))
    assert ("many" in soup.select_one("div[role=region]")["class"]) == many
    assert [th.text for th in soup.select("thead th.names")] == ["Calibration"]


@pytest.mark.parametrize(("sd", "text"), [(np.nan, ""), (0.001, "± <0.1"), (0.0, "± 0.0"), (0.26, "± 0.3")])
def test_a_deviation_is_zero_only_if_it_is(sd, text):
    assert deviation(sd) == text


def test_text_table_escapes_heads_its_rows_and_says_when_it_is_empty():
    soup = parsed(text_table(pd.DataFrame({"a<b": ["x&y"], "v": [0.12345], "m": [None]}), "Title", "Note"))
    assert soup.select_one("thead th").text == "a<b" and soup.select_one("tbody th[scope=row]").text == "x&y"
    assert [td.text for td in soup.select("td")] == ["0.123", "–"]
    assert soup.caption.text == "Title. Note"
    assert parsed(text_table(pd.DataFrame(), "Title")).select_one("td").text == "none"


def test_text_table_keeps_rows_and_columns_of_the_same_name_apart():
    soup = parsed(text_table(pd.DataFrame([["a", 1, 2], ["a", 3, 4]], columns=["of", "x", "x"]), "Title"))
    assert [[td.text for td in row.select("td")] for row in soup.select("tbody tr")] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (67.0, "67"),
        (-1234.5, "−1,234"),
        (12345, "12,345"),
        (-0.0000798, "−7.98×10⁻⁵"),
        (None, "–"),
        (np.nan, "–"),
        (True, "True"),
    ],
)
def test_values_of_a_text_table(value, text):
    assert shown(value) == text


def test_a_box_has_a_title_and_a_paragraph_for_each_sentence():
    found = box("In <short>", ["One & two.", "", "Three."])
    page = parsed(found)
    assert page.select_one(".admonition-title").text == "In <short>"
    assert [p.text for p in page.select("p:not(.admonition-title)")] == ["One & two.", "Three."]
    assert found.plain == "In <short>.\nOne & two.\nThree."


def test_what_is_folded_away_has_a_line_that_names_it_and_is_all_there():
    inside = table()
    soup = parsed(folded("More < less", inside))
    assert soup.details.summary.text == "More < less" and not soup.details.has_attr("open")
    assert soup.details.select_one("table.study-table caption").text == parsed(inside).caption.text
    assert folded("More", inside).plain == f"More\n{inside.plain}"


def test_a_table_too_wide_for_a_page_is_one_for_each_header_that_columns_share():
    codes = ["ar", "de", "en", "es", "ru"]
    columns = {(task, code): (task, Languages((code,))) for task in ("facts", "ARC", "x < y") for code in codes}
    cells = {(1, column): Cell(f"{column[0]} {column[1]}") for column in columns}
    wide = table(columns=columns, cells=cells)
    soup = parsed(wide)
    tables = soup.select("table")
    assert [one.select_one("strong").text for one in tables] == [
        "Table <1>, facts.",
        "Table <1>, ARC.",
        "Table <1>, x < y.",
    ]
    assert tables[0].caption.text.endswith("Less & more. The tables of ARC and x < y, below, are parts of this one.")
    assert tables[1].caption.text.strip() == "Table <1>, ARC."
    for one, task in zip(tables, ("facts", "ARC", "x < y"), strict=True):
        assert [td.text for td in one.select("tbody tr")[0].select("td")] == [f"{task} {code}" for code in codes]
        assert len(one.select("tbody tr")) == len(ROWS)
    assert "x < y ru" in wide.plain


@pytest.mark.parametrize("columns, tables", [(10, 1), (11, 2)])
def test_how_many_columns_are_too_many(columns, tables):
    heads = {place: ("ARC" if place < 5 else "facts", str(place)) for place in range(columns)}
    assert len(parsed(table(columns=heads, cells={})).select("table")) == tables
    alone = {place: (str(place),) for place in range(columns)}
    assert len(parsed(table(columns=alone, cells={})).select("table")) == 1
