"""Tables of tasks: means, marks, shades, intervals and the paper's numbers each say what the item scores say."""

import re
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from task_items import item_scores, lines_of, parsed

from calibbook.s04_2_downstream_tasks import data as task_scores
from calibbook.s04_2_downstream_tasks.data import Column, asked_once, compare, mean_and_variance, not_there
from calibbook.s04_2_downstream_tasks.tables import measure, task_name, task_table
from calibbook.s04_2_downstream_tasks.tables_summaries import (
    items_for_a_point,
    order_of_languages,
    overview,
    target_ranks,
)
from calibbook.shared.comparison import holm, items_needed
from calibprune.errors import StoreError
from calibprune.schemes import Sparsity
from calibprune.study.store import COLUMNS, Store

THREE = ("de", "en", "sw")
CHANCE = {"continuation": 0.25, "knowledge": 0.25}
MIXED = ("de+en", "en+sw", "de+en+sw")


@cache
def scores(**settings):
    return item_scores(**{"languages": THREE, "items": 200, **settings})


@cache
def table(**settings):
    return compare(scores(**settings))


class Cell(SimpleNamespace):
    kept_in = "cells"

    def configuration(self):
        return {"title": self.title}


def study(tmp_path, *cells):
    """As much of a study as is read here: its cells, in a real store, with items in which each number names seed and
    position.
    """
    store = Store(tmp_path / "results")
    made = []
    for i, (method, text, seed, keys) in enumerate(cells):
        dense = method == "dense"
        cell = Cell(
            id=f"{i:016d}",
            title=f"{method} {seed}",
            model="tiny",
            method=method,
            sparsity=Sparsity(0.0 if dense else 0.5),
            calibration=text,
            seed=seed,
            dense=dense,
            pattern="dense" if dense else "unstructured",
            tasks=("passage_de", "arc_easy_en"),
        )
        items = {key: torch.arange(3, dtype=torch.float32) + 10 * seed + 100 * len(text) for key in keys}
        records = pd.DataFrame({name: pd.Series(dtype="object") for name in COLUMNS})
        store.write(cell, records, {}, {"items": items} if keys else {})
        made.append(cell)
    return SimpleNamespace(store=store, cells=lambda *parts: made)


KEYS = ("passage.de.acc", "passage.de.acc_norm", "arc_easy.en.acc")


def test_item_scores_are_stacked_by_draw_in_the_order_of_the_seeds(tmp_path):
    cells = [
        ("dense", (), 0, KEYS),
        ("wanda", ("de",), 3, KEYS),
        ("wanda", ("de",), 1, KEYS),
        ("wanda", ("de", "en"), 1, KEYS),
    ]
    found = task_scores.item_scores(study(tmp_path, *cells), {"passage": "acc_norm", "arc_easy": "acc"}, "languages")
    block, columns = ("tiny", "wanda", 0.5, "unstructured"), [("passage", "de", "acc_norm"), ("arc_easy", "en", "acc")]
    assert list(found) == [
        Column(*lead, *column) for lead in (("tiny", "dense", 0.0, "dense"), block) for column in columns
    ]
    assert found[Column(*block, "arc_easy", "en", "acc")]["de"].tolist() == [[110, 111, 112], [130, 131, 132]]
    assert found[Column(*block, "passage", "de", "acc_norm")]["de+en"].tolist() == [[210, 211, 212]]
    fewer = task_scores.item_scores(
        study(tmp_path / "again", *cells), dict.fromkeys(("passage", "arc_easy"), "acc_norm")
    )
    assert {column.task for column in fewer} == {"passage"}


def test_a_language_may_have_an_underscore_in_its_code(tmp_path):
    cells = [("dense", (), 0, ("belebele.zho_Hans.acc", "belebele.de.acc"))]
    made = study(tmp_path, *cells)
    for cell in made.cells():
        cell.tasks = ("belebele_zho_Hans", "belebele_de")
    found = task_scores.item_scores(made, {"belebele": "acc"})
    assert [(column.task, column.language) for column in found] == [("belebele", "zho_Hans"), ("belebele", "de")]


def test_a_cell_whose_items_are_missing_is_an_error_of_one_line(tmp_path):
    with pytest.raises(StoreError, match="wanda 0 is here without 'items'; it has no artifacts"):
        task_scores.item_scores(study(tmp_path, ("wanda", ("de",), 0, ())), {"passage": "acc"})


def test_tasks_are_reported_by_the_papers_metric_or_their_own():
    families = {
        "arc_easy": ("acc", "acc_norm"),
        "continuation": ("acc", "acc_norm"),
        "knowledge": ("acc", "acc_norm"),
        "mkqa": ("f1", "em"),
    }
    specs = [SimpleNamespace(family=name, metrics=metrics, chance=0.25) for name, metrics in families.items()]
    study = SimpleNamespace(parameters=SimpleNamespace(task_specs=lambda: specs))
    assert task_scores.reported(study) == {"arc_easy": "acc", "continuation": "acc_norm", "knowledge": "acc"}
    assert task_scores.reported(study, generated=True) == {"mkqa": "f1"}
    assert task_scores.chance_levels(study) == dict.fromkeys(families, 0.25)


def test_rows_hold_the_means_and_the_correction_runs_over_the_whole_table():
    rows = table(seeds=2)
    assert list(rows.columns) == task_scores.ROWS
    for row in rows.itertuples():
        given_scores = scores(seeds=2)[
            Column(row.model, row.method, row.sparsity, row.pattern, row.task, row.language, "acc")
        ][row.calibration]
        assert row.mean == pytest.approx(given_scores.mean()) and row.n == 200
        assert row.low < row.mean < row.high
    np.testing.assert_array_equal(rows["p_holm"], holm(rows["p"]))
    # tasks, methods, languages; two of three calibrations against the best
    assert rows["p"].notna().sum() == 2 * 2 * 3 * 2
    assert (rows.loc[rows["method"] != "dense", "draws"] == 2).all()
    pd.testing.assert_frame_equal(compare({}), pd.DataFrame(columns=task_scores.ROWS))


def test_only_a_lead_beyond_doubt_has_a_single_winner():
    clear = table(target=0.35)
    pruned = clear[clear["method"] != "dense"]
    assert pruned.loc[pruned["best"], "calibration"].tolist() == pruned.loc[pruned["best"], "language"].tolist()
    assert pruned["best"].sum() == 2 * 2 * 3
    assert (pruned["unbeaten"] == pruned["best"]).all()
    close = table(target=0.0)
    close = close[close["method"] != "dense"]
    assert not close["best"].any() and (close.groupby(["method", "task", "language"])["unbeaten"].sum() > 1).all()
    alone = compare(scores(languages=("de",), methods=("magnitude", "wanda")))
    assert not alone["unbeaten"].any() and not alone["best"].any()


def test_shade_rises_down_every_column_and_the_dense_model_has_none():
    rows = table()
    for _, column in rows[rows["method"] != "dense"].groupby(["task", "language"]):
        ordered = column.sort_values("mean")["shade"].to_numpy()
        assert (ordered[0], ordered[-1]) == (0, 1) and (np.diff(ordered) >= 0).all()
    assert rows.loc[rows["method"] == "dense", "shade"].isna().all()


def test_table_has_tasks_above_languages_and_calibrations_in_the_papers_order():
    soup = parsed(task_table(table(), "Table 2", CHANCE)).table
    assert [th.text for th in soup.select("thead th[scope=colgroup]")] == ["continuation", "knowledge"]
    assert [th.text for th in soup.select("thead tr")[1].select("th")] == [code.upper() for code in THREE] * 2
    lines = lines_of(soup)
    assert list(lines) == [
        ("Dense", "none"),
        *[(method, code.upper()) for method in ("Wanda", "SparseGPT") for code in THREE],
    ]
    assert all(th.get("scope") for th in soup.select("th")) and {len(cells) for cells in lines.values()} == {6}


@pytest.mark.parametrize("target", [0.0, 0.35])
def test_marks_and_titles_are_those_of_the_rows(target):
    soup = parsed(task_table(table(target=target), "Table 2"))
    lines = lines_of(soup)
    names = {"dense": "Dense", "wanda": "Wanda", "sparsegpt": "SparseGPT"}
    columns = [(task, code) for task in CHANCE for code in THREE]
    for row in table(target=target).itertuples():
        td = lines[(names[row.method], row.calibration.upper() or "none")][columns.index((row.task, row.language))]
        assert td.text.split()[0] == f"{100 * row.mean:.1f}"
        assert bool(td.find("strong")) == ("best" in td.get("class", [])) == row.best
        assert ("≈" in td.text) == (row.unbeaten and not row.best)
        assert all(mark["aria-label"] for mark in td.select("[role=img]"))
        assert td["title"].startswith(
            f"95% interval {100 * row.low:.1f} to {100 * row.high:.1f}; 200 items".replace("-", "−")
        )
        assert ("points behind the best" in td["title"]) == (row.difference < 0)


def test_intervals_stand_in_a_copy_behind_a_line():
    """A title is no use to a finger, nor to most screen readers."""
    soup = parsed(task_table(table(), "Table 2"))
    copy = soup.details
    assert copy.summary.text == "Table 2, with intervals" and not soup.table.select("small")
    for td, other in zip(soup.table.select("td"), copy.select("td"), strict=True):
        low, high = re.match(r"95% interval (\S+) to ([^;\s]+)", td["title"]).groups()
        assert other.small.text.replace("\xa0", " ") == f"{low} to {high}"
    assert parsed(task_table(table(), "Table 2", intervals=True)).details is None


def test_intervals_and_deviations_in_small_type():
    soup = parsed(task_table(table(seeds=2), "Table 7", intervals=True))
    row = (
        table(seeds=2)
        .query("method == 'wanda' and calibration == 'sw' and language == 'de' and task == 'continuation'")
        .iloc[0]
    )
    small = [tag.text for tag in lines_of(soup)[("Wanda", "SW")][0].select("small")]
    assert small == [f"± {100 * row['sd']:.1f}", f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"]
    assert "Mean over 2 draws" in soup.caption.text and "One draw" in parsed(task_table(table(), "x")).caption.text


def test_caption_states_chance_and_what_is_not_above_it():
    low = item_scores(
        languages=("en", "sw"),
        tasks=("continuation",),
        methods=("wanda",),
        target=0.0,
        effects={"sw": -0.2, "en": -0.2},
        items=100,
    )
    text = parsed(task_table(compare(low), "Table 2", {"continuation": 0.5})).caption.text
    assert "Guessing reaches 50.0%." in text and "The dense model is not above chance in continuation SW." in text
    assert "Of 4 values of pruned models 4 are not above chance." in text
    assert "Guessing" not in parsed(task_table(compare(low), "Table 3", {"continuation": 0.0})).caption.text
    assert (
        "In 12 of 12 columns any calibration is significantly worse"
        in parsed(task_table(table(target=0.35), "x")).caption.text
    )
    assert (
        "In 0 of 4 columns"
        in parsed(task_table(compare(item_scores(("en", "sw"), methods=("wanda",), items=5)), "x")).caption.text
    )
    assert "200 items" in parsed(task_table(table(), "x")).caption.text


def test_an_empty_table_says_so():
    shown = task_table(compare({}), "Table 2", CHANCE)
    assert "none" in shown.html and shown.plain == "Table 2: none"


def test_plain_text_carries_the_numbers():
    value = table().query("method == 'dense' and task == 'knowledge' and language == 'en'")["mean"].iloc[0]
    assert (
        f"{100 * value:.1f}" in task_table(table(), "Table 2").plain and "<" not in task_table(table(), "Table 2").plain
    )


def test_the_measure_is_named_by_task_where_they_differ():
    rows = pd.DataFrame({"task": ["knowledge", "knowledge", "continuation"], "metric": ["acc", "acc", "acc_norm"]})
    assert measure(rows) == "Accuracy (knowledge) and length-normalised accuracy (continuation) in percent"
    assert measure(rows[:2]) == "Accuracy in percent"


def test_names_of_tasks():
    assert [task_name(name) for name in ("arc_challenge", "mkqa", "continuation")] == [
        "ARC challenge",
        "MKQA",
        "continuation",
    ]


def test_the_target_language_is_counted_and_beside_it_what_relabelling_gives():
    ranks = target_ranks(table(target=0.35)).set_index("method")
    wanda = ranks[ranks["model"] == "gemma3-270m"].loc["Wanda"]
    assert (wanda["columns"], wanda["best"], wanda["within one standard error"]) == (
        "6",
        "6 (chance 2.0)",
        "6 (chance 2.0)",
    )
    paper = ranks[ranks["model"] == "the paper's Table 2"]
    assert paper[["columns", "best"]].to_numpy().tolist() == [["25", "8"], ["25", "18"]]
    assert list(paper.index) == ["Wanda", "SparseGPT"] and set(paper["sparsity"]) == {"50%"}
    assert (paper["second"] == "not known").all()
    assert target_ranks(table(languages=("de",))).empty


def test_items_for_a_point():
    found = items_for_a_point(scores()).set_index("task")
    pairs = [
        items_needed(by_text[a], by_text[b]).paired
        for column, by_text in scores().items()
        if column.task == "knowledge" and column.method != "dense"
        for a, b in (("de", "en"), ("de", "sw"), ("en", "sw"))
    ]
    row = found.loc["knowledge"]
    assert row["needed, same items"] == int(np.median(pairs)) < row["needed, different items"]
    assert row["shown by the items here (points)"] == pytest.approx(np.median(np.sqrt(np.array(pairs) / 200)))


def test_order_of_languages_from_best_to_worst():
    order = order_of_languages(table()).set_index(["task", "method"])["best to worst"]
    assert [name.split()[0] for name in order["knowledge", "Dense"].split(", ")] == ["English", "German", "Swahili"]
    assert order_of_languages(table(languages=("de",))).empty


def test_the_papers_number_stands_in_its_cell():
    rows = compare(scores(models=("llama3-8b",), tasks=("belebele",), methods=("wanda",)))
    lines = lines_of(parsed(task_table(rows, "Table 2")))
    known = {key: [small.text for small in tds[1].select("small.known")] for key, tds in lines.items()}
    assert known == {
        ("Dense", "none"): ["[58.2]"],
        ("Wanda", "DE"): [],
        ("Wanda", "EN"): ["[65.0]"],
        ("Wanda", "SW"): [],
    }


def test_variance_of_a_mean_has_items_and_draws():
    one = np.array([[0.0, 1.0, 1.0, 0.0]])
    assert mean_and_variance(one) == (0.5, pytest.approx(one.var(ddof=1) / 4))
    two = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert mean_and_variance(two) == (0.5, pytest.approx(0.5 / 2))


def test_overview_of_the_tasks():
    line = overview(table(), CHANCE).iloc[0]
    dense = table().query("method == 'dense' and task == 'continuation'")["mean"]
    assert line.tolist() == [
        "continuation",
        "de, en, sw",
        "200",
        "25.0%",
        f"{100 * dense.min():.1f} to {100 * dense.max():.1f}%",
    ]


def test_intervals_stay_within_what_scores_can_be():
    scores = {Column("a", "dense", 0.0, "dense", "facts", "de", "f1"): {"": np.zeros((1, 12))}}
    scores[Column("a", "dense", 0.0, "dense", "facts", "en", "f1")] = {"": np.eye(1, 12)}
    row, other = compare(scores).itertuples()
    assert (row.low, row.high) == (0, pytest.approx(1 - 0.025 ** (1 / 12)))
    assert other.low == 0 < other.mean < other.high < 1


def test_tasks_of_a_single_question_are_named():
    rows = pd.DataFrame(
        [("facts", "sw", 1), ("facts", "de", 1), ("facts", "en", 2), ("knowledge", "de", 4), ("", "de", 1)],
        columns=["task", "language", "n"],
    )
    assert asked_once(rows, ["facts", "knowledge"]).startswith("**Left out: facts in de and sw.**")
    assert asked_once(rows, ["knowledge"]) == asked_once(rows.head(0), ["facts"]) == ""


def test_tasks_that_a_language_does_not_have_are_named():
    def asked(*languages, generated=False, tasks=("embedded", "hellaswag_de", "belebele")):
        cells = [SimpleNamespace(languages=languages)]
        parameters = SimpleNamespace(tasks=list(tasks), data_mirror=None)
        return not_there(SimpleNamespace(cells=lambda *parts: cells, parameters=parameters), generated)

    assert asked("de", "xx", "yy").startswith(
        "**Not asked: continuation in xx and yy; knowledge in xx and yy; passage in "
    )
    assert asked("de", "xx", generated=True).startswith("**Not asked: facts in xx.**")
    assert asked("de", "sw") == asked("de", "sw", generated=True) == ""
    assert asked("fr", tasks=["belebele"]) == ""
