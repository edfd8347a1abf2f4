"""The claims of the paper's Section 5.2, each tested on the masks at hand.

Within a language there is one value a language; between languages the pairs share languages, so their interval comes
from leaving out one language at a time (`statistics.pair_interval`).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from calibbook.shared.claims import Claim, claims_frame, names, over_languages, paired
from calibbook.shared.frames import blocks, languages_of
from calibbook.shared.registered import wording
from calibbook.shared.statistics import pair_interval
from calibbook.shared.verdicts import judged
from calibbook.shared.words import number

FIRST = ("q", "k", "v")
LOWEST = ("attn.out", "ffn.down")
MIDDLE = (2 / 32, 15 / 32)
LATE = 20 / 32
ABOVE = 0.95

FIRST_ARE_STABLE = wording("5.2-first-stable")
FIRST_ARE_ALIKE = wording("5.2-first-alike")
OUTPUT_VARIES = wording("5.2-output-varies")
OUTPUT_VARIES_LATE = wording("5.2-output-varies-late")
LOWEST_BETWEEN = wording("5.2-lowest-between")
PEAK = wording("5.2-peak")
BEYOND_DRAWS = wording("beyond-draws-of-masks")


def square(rows: pd.DataFrame, value: Callable[[pd.DataFrame], float]) -> np.ndarray:
    """One number of each pair's rows as a symmetric [languages, languages], NaN on the diagonal."""
    languages = languages_of([*rows["first"], *rows["second"]])
    table = np.full((len(languages), len(languages)), np.nan)
    for (first, second), mine in rows.groupby(["first", "second"], sort=False):
        a, b = languages.index(first), languages.index(second)
        table[a, b] = table[b, a] = value(mine)
    return table


def of_pairs(table: np.ndarray, what: Callable[[float], str] | str) -> dict:
    """The fields of a Claim that says the mean over pairs of `table` is positive; held or not by the jackknife
    interval.
    """
    return over_languages(pair_interval(table), len(table), float, what)


def means(rows: pd.DataFrame) -> pd.Series:
    """Mean IoU over layers by component."""
    return rows.groupby("component", sort=False)["iou"].mean()


def first_layer_stands_out(rows: pd.DataFrame) -> float:
    """The lowest IoU of query, key and value in the first layer minus the highest of all other matrices."""
    inside = (rows["layer"] == rows["layer"].min()) & rows["component"].isin(FIRST)
    return float(rows.loc[inside, "iou"].min() - rows.loc[~inside, "iou"].max())


def first_layer(within: pd.DataFrame, between: pd.DataFrame, where: dict) -> list[Claim]:
    """That these three lie above all other matrices, within and between languages, and above 0.95 in every pair."""

    def in_words(margin: float) -> str:
        return f"{number(abs(margin))} {'above' if margin > 0 else 'below'} the next matrix"

    claims = []
    if len(within):
        margins = within.groupby("first", sort=False).apply(first_layer_stands_out).to_numpy()
        claims.append(Claim(FIRST_ARE_STABLE, **where, metric="within a language", **paired(margins, float, in_words)))
    if len(between):
        claims.append(
            Claim(
                FIRST_ARE_STABLE,
                **where,
                metric="between languages",
                **of_pairs(square(between, first_layer_stands_out), in_words),
            )
        )
        three = between[(between["layer"] == between["layer"].min()) & between["component"].isin(FIRST)]
        three = three[three["iou"].notna()]
        if three.empty:
            return claims
        lowest = three.loc[three["iou"].idxmin()]
        what = f"lowest {number(lowest['iou'])}, {lowest['component']} of {lowest['first']} and {lowest['second']}"
        above, n = float(lowest["iou"]) > ABOVE, len(languages_of([*three["first"], *three["second"]]))
        because = dict.fromkeys(("held", "not held"), "read off the masks")
        claims.append(
            Claim(
                FIRST_ARE_ALIKE,
                **where,
                metric="between languages",
                what=what,
                statistic=float(lowest["iou"]),
                n=n,
                **judged(above, not above, languages=n, because=because),
            )
        )
    return claims


def output_varies(within: pd.DataFrame, _: pd.DataFrame, where: dict) -> list[Claim]:
    """The attention output against the next component within each language, and its late layers against the others."""
    if within.empty or "attn.out" not in set(within["component"]):
        return []
    by_language = within.groupby("first", sort=False)
    table = by_language.apply(means)
    if table.isna().any(axis=None):
        return []
    others = table.drop(columns="attn.out")
    own = table["attn.out"]
    next_lowest = others.mean().idxmin()
    what = f"attn.out {number(own.mean())}, {next_lowest} {number(others[next_lowest].mean())}"
    margin = (others.min(axis=1) - own).to_numpy()
    claims = [Claim(OUTPUT_VARIES, **where, metric="within a language", **paired(margin, float, what))]
    output = within[within["component"] == "attn.out"].pivot(index="first", columns="layer", values="iou")
    late = depth(output.columns) > LATE
    if late.any() and not late.all():
        drop = output.loc[:, ~late].mean(axis=1) - output.loc[:, late].mean(axis=1)
        what = (
            f"{number(output.loc[:, ~late].mean(axis=None))} before, "
            f"{number(output.loc[:, late].mean(axis=None))} in late layers"
        )
        claims.append(
            Claim(OUTPUT_VARIES_LATE, **where, metric="within a language", **paired(drop.to_numpy(), float, what))
        )
    return claims


def lowest_between(_: pd.DataFrame, between: pd.DataFrame, where: dict) -> list[Claim]:
    """The higher of attention output and FFN down against the lowest of the other components, pair by pair."""
    table = means(between)
    if table.isna().any() or not set(LOWEST) < set(table.index):
        return []

    def margin(rows: pd.DataFrame) -> float:
        table = means(rows)
        return float(table.drop(index=list(LOWEST)).min() - table[list(LOWEST)].max())

    others = table.drop(index=list(LOWEST))
    what = (
        f"{', '.join(f'{name} {number(table[name])}' for name in LOWEST)}, then {others.idxmin()} "
        f"{number(others.min())}"
    )
    return [Claim(LOWEST_BETWEEN, **where, metric="between languages", **of_pairs(square(between, margin), what))]


def peak(_: pd.DataFrame, between: pd.DataFrame, where: dict) -> list[Claim]:
    """Attention output and FFN down between 2/32 and 15/32 of the depth against the better of what comes before and
    after.
    """
    claims = []
    for component in LOWEST:
        mine = between[between["component"] == component]
        layers = sorted(mine["layer"].unique())
        place = depth(layers)
        parts = [place <= MIDDLE[0], (place > MIDDLE[0]) & (place < MIDDLE[1]), place >= MIDDLE[1]]
        if mine.empty or not all(part.any() for part in parts):
            continue
        early, middle, late = (mine[mine["layer"].isin(np.array(layers)[part])] for part in parts)

        def margin(rows: pd.DataFrame, layers=layers, parts=parts) -> float:
            values = rows.set_index("layer")["iou"].loc[layers].to_numpy()
            before, inside, after = (values[part].mean() for part in parts)
            return float(inside - max(before, after))

        what = (
            f"{number(early['iou'].mean())} early, {number(middle['iou'].mean())} in the middle, "
            f"{number(late['iou'].mean())} late"
        )
        claims.append(Claim(PEAK, **where, metric=component, **of_pairs(square(mine, margin), what)))
    return claims


def depth(layers) -> np.ndarray:
    """Where the centre of each layer stands, 0 to 1."""
    return (np.arange(len(layers)) + 0.5) / max(len(layers), 1)


def language_beyond_draw(found: pd.DataFrame) -> pd.DataFrame:
    """Not in the paper: single masks of one language and two draws against those of two languages, over all matrices;
    one row a block.
    """
    claims = []
    for block, rows in blocks(found):
        own = rows[rows["kind"] == "draw"].groupby("first")["iou"].mean()
        pairs = rows[rows["kind"] == "language"]
        if own.empty or pairs.empty:
            continue

        def gap(mine: pd.DataFrame, own=own) -> float:
            return float((own[mine["first"].iloc[0]] + own[mine["second"].iloc[0]]) / 2 - mine["iou"].mean())

        what = f"{number(own.mean())} in one language, {number(pairs['iou'].mean())} in two"
        claims.append(Claim(BEYOND_DRAWS, **names(block), metric="single masks", **of_pairs(square(pairs, gap), what)))
    return claims_frame(claims)


TESTS = (first_layer, output_varies, lowest_between, peak)


def section_5_2(found: pd.DataFrame) -> pd.DataFrame:
    """Every claim of the section on every model, method and sparsity of `data.similarities`: one row a
    Claim.

    Claims about the draws of one language need two draws at least, those about pairs two languages; what cannot be
    tested has no row.
    """
    claims = []
    for test in TESTS:
        for block, rows in blocks(found):
            within, between = (rows[rows["kind"] == kind] for kind in ("within", "between"))
            claims += test(within, between, names(block))
    return claims_frame(claims)
