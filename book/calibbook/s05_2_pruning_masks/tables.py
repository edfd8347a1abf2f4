"""Tables 16 and 17 of the paper with its own numbers beside, every pair of languages, and like compared with like."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from calibbook.s05_2_pruning_masks.data import KINDS
from calibbook.s05_2_pruning_masks.paper import MODEL, NUMBERS, pairs
from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, languages_of
from calibbook.shared.html import MISSING, Cell, Html, Label, Languages, heat_table
from calibbook.shared.paper import LABELS
from calibbook.shared.words import fixed, table_name

Pair = tuple[str, str]


def by_component(rows: pd.DataFrame, kind: str) -> dict[str, dict[Pair, float]]:
    """Mean IoU over layers: component -> (first, second) -> value; `rows` are those of one block of
    `data.similarities`.
    """
    means = rows[rows["kind"] == kind].groupby(["component", "first", "second"], sort=False)["iou"].mean()
    found: dict[str, dict[Pair, float]] = {}
    for (component, first, second), value in means.items():
        found.setdefault(component, {})[first, second] = found.setdefault(component, {})[second, first] = float(value)
    return found


def table_16(rows: pd.DataFrame) -> Html:
    """Within a language: IoU over all draws, mean over layers; the paper's languages have a column even where they were
    not run.
    """
    ran = rows.loc[rows["kind"] == "within", "first"]
    languages = languages_of([*ran, *(first for first, _ in pairs("within"))])
    columns = {(code, code): Languages((code,)) for code in languages}
    return _table(rows, table_name("5.2-1", "Table 16"), "within", by_component(rows, "within"), columns)


def table_17(rows: pd.DataFrame) -> Html:
    """Between languages: IoU of stable masks, mean over layers, in the paper's three pairs and on average over all
    pairs that were run.
    """
    found = by_component(rows, "between")
    for values in found.values():
        values["all", "pairs"] = float(np.mean(list(values.values())))  # each pair stands there in both orders
    ran = len(rows.loc[rows["kind"] == "between", ["first", "second"]].drop_duplicates())
    columns = {pair: Languages(pair, "–") for pair in pairs("between")} | {("all", "pairs"): f"mean of all {ran}"}
    return _table(rows, table_name("5.2-2", "Table 17"), "between", found, columns)


def every_pair_table(rows: pd.DataFrame) -> Html:
    """Every pair of languages that was run, the nearest first: mean over layers by component, and over all."""
    found = by_component(rows, "between")
    table = pd.DataFrame({component: values for component, values in found.items()})
    table = table.loc[[pair for pair in table.index if pair[0] in languages_of(pair)[:1]]]
    table = table.assign(all=table.mean(axis=1)).sort_values("all", ascending=False, kind="stable")
    return heat_table(
        {pair: (Languages(pair, "–"),) for pair in table.index},
        {name: (name,) for name in table.columns},
        {(pair, name): _cell(value) for name, values in table.items() for pair, value in values.items()},
        ["pair"],
        f"Every pair, {KINDS['between']}",
        f"{_note(rows)} The last column is the mean over all matrices.",
    )


def like_with_like(rows: pd.DataFrame) -> pd.DataFrame:
    """Single masks on both sides: columns component, random, two languages, one language, and the share of the gap that
    the draw explains.

    That share is (1 − one language) / (1 − two languages): of the disagreement between calibrations in two languages,
    as much is there between two draws of one language. Means over layers, languages and pairs; empty with one draw.
    """
    means = (
        rows[rows["kind"].isin(["draw", "language"])]
        .groupby(["component", "kind"], sort=False)[["iou", "expected"]]
        .mean()
        .unstack("kind")
    )
    if ("iou", "draw") not in means or ("iou", "language") not in means:
        return pd.DataFrame(columns=["component"])
    draw, language = means["iou", "draw"], means["iou", "language"]
    return pd.DataFrame(
        {
            "component": means.index,
            "random masks": means["expected", "language"].to_numpy(),
            KINDS["language"]: language.to_numpy(),
            KINDS["draw"]: draw.to_numpy(),
            "disagreement that another draw explains (%)": (100 * (1 - draw) / (1 - language)).to_numpy(),
        }
    )


def _table(
    rows: pd.DataFrame, number: str, kind: str, found: Mapping[str, Mapping[Pair, float]], columns: Mapping[Pair, Label]
) -> Html:
    """Components down, pairs of languages across, that of random masks last; beside the paper's own method its numbers
    stand in brackets.
    """
    method = dict(rows.iloc[0][BLOCK[1:]])
    of_paper = bool((NUMBERS.frame[list(method)] == pd.Series(method)).all(axis=1).any())
    chance = rows[rows["kind"] == kind].groupby("component")["expected"].mean()
    cells = {}
    for component, values in found.items():
        cells |= {(component, pair): _cell(values.get(pair)) for pair in columns}
        cells[component, "random"] = _cell(chance[component])
        for first, second in pairs(kind) if of_paper else ():
            names = {"kind": kind, "component": component, "first": first, "second": second}
            known = NUMBERS.get(model=MODEL, **method, **names)
            where = component, (first, second)
            cells[where] = cells[where]._replace(paper="not known" if known is None else fixed(known, 0, 3))
    return heat_table(
        {component: (component,) for component in found},
        {pair: (label,) for pair, label in columns.items()} | {"random": ("random masks",)},
        cells,
        ["component"],
        f"{number}, {KINDS[kind]}",
        _note(rows) + (f" In brackets the paper's values, for {LABELS[MODEL]} and three draws." if of_paper else ""),
    )


def _cell(value: float | None) -> Cell:
    return MISSING if value is None or np.isnan(value) else Cell(fixed(value, 0, 3))


def _note(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return (
        f"Mean IoU over {rows['layer'].nunique()} layers, {block_title(tuple(first[BLOCK]))}, "
        f"{first.draws} draws a language."
    )
