"""Tables 16 and 17 of the paper with its own numbers beside, every pair of languages, and like compared with like."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from calibbook.s05_2_pruning_masks import paper as paper_masks
from calibbook.s05_2_pruning_masks.data import KINDS
from calibbook.shared.figure import block_title
from calibbook.shared.frames import BLOCK, languages_of
from calibbook.shared.html import Html, language_header, wrap

Pair = tuple[str, str]


def by_component(rows: pd.DataFrame, kind: str) -> dict[str, dict[Pair, float]]:
    """Mean IoU over layers: component -> (first, second) -> value; `rows` are those of one block of
    `mask_similarity.similarities`.
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
    found = {
        component: {pair[0]: value for pair, value in values.items()}
        for component, values in by_component(rows, "within").items()
    }
    languages = languages_of([*paper_masks.LANGUAGES, *rows.loc[rows["kind"] == "within", "first"]])
    known = paper_masks.WITHIN if _is_papers_method(rows) else {}
    headers = {language: language_header(language) for language in languages}
    return _table(
        found,
        headers,
        known,
        paper_masks.LANGUAGES,
        _chance(rows, "within"),
        f"Table 16, {KINDS['within']}",
        _note(rows, bool(known)),
    )


def table_17(rows: pd.DataFrame) -> Html:
    """Between languages: IoU of stable masks, mean over layers, in the paper's three pairs and on average over all
    pairs that were run.
    """
    found = by_component(rows, "between")
    for values in found.values():
        values["all", "pairs"] = float(np.mean(list(values.values())))  # each pair stands there in both orders
    known = paper_masks.BETWEEN if _is_papers_method(rows) else {}
    pairs = len(rows.loc[rows["kind"] == "between", ["first", "second"]].drop_duplicates())
    headers = {pair: _pair_header(pair) for pair in paper_masks.PAIRS} | {("all", "pairs"): f"mean of all {pairs}"}
    return _table(
        found,
        headers,
        known,
        paper_masks.PAIRS,
        _chance(rows, "between"),
        f"Table 17, {KINDS['between']}",
        _note(rows, bool(known)),
    )


def every_pair_table(rows: pd.DataFrame) -> Html:
    """Every pair of languages that was run, the nearest first: mean over layers by component, and over all."""
    found = by_component(rows, "between")
    table = pd.DataFrame({component: values for component, values in found.items()})
    table = table.loc[[pair for pair in table.index if pair[0] in languages_of(pair)[:1]]]
    table = table.assign(all=table.mean(axis=1)).sort_values("all", ascending=False, kind="stable")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ["pair", *table.columns])
    body = "".join(
        f'<tr><th scope="row">{_pair_header(pair)}</th>{"".join(_cell(value) for value in line)}</tr>'
        for pair, line in zip(table.index, table.to_numpy(), strict=True)
    )
    title = f"Every pair, {KINDS['between']}"
    caption = f"<strong>{title}.</strong> {_note(rows, False)} The last column is the mean over all matrices."
    return wrap(
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>", caption, title, f"{title}\n{table.round(3).to_string()}"
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
    found: Mapping[str, Mapping],
    headers: Mapping,
    known: Mapping[str, Mapping],
    papers: Sequence,
    chance: Mapping[str, float],
    title: str,
    note: str,
) -> Html:
    """Components down, `headers` across, the zero line last; a number of the paper in brackets, for its columns
    `papers`.
    """
    head = "".join(f'<th scope="col">{header}</th>' for header in ["component", *headers.values(), "random masks"])
    lines, plain = [], {}
    for component, values in found.items():
        cells = []
        for column in headers:
            paper = ""
            if known and column in papers:
                number = known.get(component, {}).get(column)
                paper = f' <small class="known">[{"not known" if number is None else f"{number:.3f}"}]</small>'
            cells.append(_cell(values.get(column), paper))
        lines.append(f'<tr><th scope="row">{escape(component)}</th>{"".join(cells)}{_cell(chance[component])}</tr>')
        plain[component] = {str(column): values.get(column, np.nan) for column in headers}
    text = pd.DataFrame(plain).T.round(3).to_string()
    return wrap(
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>",
        f"<strong>{escape(title)}.</strong> {note}",
        title,
        f"{title}\n{text}",
    )


def _cell(value: float | None, paper: str = "") -> str:
    missing = '<span role="img" aria-label="not measured">–</span>'
    return f"<td>{missing if value is None or np.isnan(value) else f'{value:.3f}'}{paper}</td>"


def _pair_header(pair: Pair) -> str:
    return "–".join(map(language_header, pair))


def _chance(rows: pd.DataFrame, kind: str) -> dict[str, float]:
    return rows[rows["kind"] == kind].groupby("component")["expected"].mean().to_dict()


def _is_papers_method(rows: pd.DataFrame) -> bool:
    first = rows.iloc[0]
    return first["method"] == paper_masks.METHOD and first["sparsity"] == 0.5 and first["pattern"] == "unstructured"


def _note(rows: pd.DataFrame, known: bool) -> str:
    first = rows.iloc[0]
    about = (
        f"Mean IoU over {rows['layer'].nunique()} layers, {escape(block_title(tuple(first[BLOCK])))}, "
        f"{first.draws} draws a language."
    )
    return about + (f" In brackets the paper's values, for {paper_masks.MODEL} and three draws." if known else "")
