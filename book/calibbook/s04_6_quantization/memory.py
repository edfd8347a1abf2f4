"""Pruning against quantization at equal memory: what each costs in perplexity, by the bits that a weight of the decoder
takes.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from calibbook.shared.claims import MORE_OR_LESS, Claim, claims_frame, names, paired
from calibbook.shared.frames import BLOCK, METHODS, is_mixture, is_quantized, languages_of, over_draws, setting
from calibbook.shared.registered import wording
from calibbook.shared.words import fixed, listed, more_or_less, number
from calibprune.schemes import Grid

DENSE_BITS = 16
MASK_BITS = 1
ABOUT_EQUAL = 1.25
"""Sizes whose ratio is no more than this count as about equal."""
ROWS = [*BLOCK, "bits", "calibrated", "language", "own", "others", "low", "high"]
KEEPS_MORE = wording("beyond-equal-memory")


def bits_per_weight(sparsity: float, pattern: str, group_size: int) -> float:
    """Bits that one weight of a pruned or quantized matrix takes, of 16 when dense.

    Pruned: the weights that stay, and one bit of mask for every place, more than which no pattern needs; none where all
    stay. Quantized: its code and its share of the scale (`Grid.bits_per_weight`).
    """
    if is_quantized(pattern):
        return Grid.of(int(pattern.removesuffix("-bit")), group_size).bits_per_weight(DENSE_BITS)
    return DENSE_BITS * (1 - sparsity) + MASK_BITS if sparsity else float(DENSE_BITS)


def at_memory(frame: pd.DataFrame, source: str, group_size: int) -> pd.DataFrame:
    """Perplexity over that of the dense model, with the columns ROWS: one row a model, method, setting and evaluation
    language.

    `bits` a weight; `calibrated`: whether on text; `own`: calibrated in the language, or without calibration; `others`,
    `low`, `high`: geometric mean, least and greatest of those calibrated in another single language. NaN where there is
    none. Means over draws. Languages without a dense perplexity have no rows.
    """
    summary = over_draws(frame, "perplexity", source)
    dense = summary[summary["method"] == "dense"].set_index(["model", "language"])["mean"]
    lines = []
    single = summary[~summary["calibration"].map(is_mixture).astype(bool)]
    for (*block, language), rows in single.groupby([*BLOCK, "language"], sort=False):
        if (block[0], language) not in dense.index:
            continue
        ratios = rows.set_index("calibration")["mean"] / dense[block[0], language]
        own = ratios[ratios.index.isin(["", language])]
        rest = ratios.drop(own.index)
        size = bits_per_weight(block[2], block[3], group_size)
        calibrated = bool((rows["calibration"] != "").any())
        middle = float(np.exp(np.log(rest).mean())) if len(rest) else np.nan
        lines.append((*block, size, calibrated, language, own.mean(), middle, rest.min(), rest.max()))
    return pd.DataFrame(lines, columns=ROWS)


def overview(rows: pd.DataFrame) -> pd.DataFrame:
    """One line a model, method and setting, as text: bits a weight, and the `change` of perplexity by calibration, with
    a column of its own for methods that use no text, where there are any.
    """
    lines = []
    without = not rows.loc[rows["pattern"] != "dense", "calibrated"].all()
    for (model, method, sparsity, pattern), mine in rows.groupby(BLOCK, sort=False):
        lines.append(
            {"method": METHODS.get(method, method), "model": model, "setting": setting(sparsity, pattern) or "–"}
            | {"bits a weight": size(mine["bits"].iloc[0])}
            | {
                "calibrated in the language": change(mine["own"]) if mine["calibrated"].any() else "–",
                "in another": change(mine["others"]),
            }
            | ({"without text": change(mine["own"]) if _without_text(mine) else "–"} if without else {})
        )
    table = pd.DataFrame(lines)
    return table.drop(columns="model") if len(table) and table["model"].nunique() == 1 else table


def _without_text(rows: pd.DataFrame) -> bool:
    """Whether rows of one model, method and setting are of a method that uses no text."""
    return rows["pattern"].iloc[0] != "dense" and not rows["calibrated"].any()


def size(bits: float) -> str:
    """`8.125`, `9`."""
    return f"{bits:.3f}".rstrip("0").rstrip(".")


def change(ratios: pd.Series) -> str:
    """Ratios to the dense model in percent, their geometric mean and range: `+34.1% (+32.6 to +36.8)`."""
    ratios = ratios.dropna()
    if ratios.empty:
        return "–"
    middle, low, high = (_above(ratio) for ratio in (np.exp(np.log(ratios).mean()), ratios.min(), ratios.max()))
    return f"{middle}%" + (f" ({low} to {high})" if low != high else "")


def _above(ratio: float) -> str:
    percent = 100 * (float(ratio) - 1)
    return "+" * (percent > 0) + number(percent)


def contests(rows: pd.DataFrame) -> list[tuple[tuple, tuple, pd.DataFrame]]:
    """(pruned block, quantized block, ratios): every pair of one model; the nearest sizes first.

    ratios: by language, columns `pruned` and `quantized`, each calibrated in the language, or without text where its
    method uses none; languages that both have.
    Pairs without any are left out.
    """
    own = {block: mine.set_index("language")["own"] for block, mine in rows.groupby(BLOCK, sort=False)}
    pairs = []
    for pruned in own:
        for quantized in own:
            if (
                pruned[0] == quantized[0]
                and pruned[3] != "dense"
                and not is_quantized(pruned[3])
                and is_quantized(quantized[3])
            ):
                both = pd.DataFrame({"pruned": own[pruned], "quantized": own[quantized]}).dropna()
                if len(both):
                    pairs.append((pruned, quantized, both.loc[languages_of(both.index)]))
    sizes = rows.drop_duplicates(BLOCK).set_index(BLOCK)["bits"]
    return sorted(pairs, key=lambda pair: abs(np.log(sizes[pair[1]] / sizes[pair[0]])))


def which_wins(rows: pd.DataFrame, source: str) -> str:
    """Which has the lower perplexity, in how many languages, a sentence for each setting of either side; Markdown."""
    sizes = rows.drop_duplicates(BLOCK).set_index(BLOCK)["bits"]
    blocks = rows.groupby(BLOCK, sort=False)
    textless = {METHODS.get(block[1], block[1]): None for block, mine in blocks if _without_text(mine)}
    found: dict[tuple, list[tuple[str, int, int]]] = {}
    for pruned, quantized, both in contests(rows):
        key = (pruned[0], setting(*pruned[2:]), sizes[pruned], quantized[3], sizes[quantized])
        found.setdefault(key, []).append(
            (METHODS.get(pruned[1], pruned[1]), int((both["quantized"] < both["pruned"]).sum()), len(both))
        )
    compared = rows[rows["method"] != "dense"]
    if not found and len(compared) and compared["own"].isna().all():
        return "There is nothing here to compare: each side would be calibrated in the language itself, and none was."
    if not found:
        return "There is nothing here to compare: it takes models that were pruned and models that were quantized."
    models = {key[0] for key in found}
    sentences = []
    for (model, share, before, width, after), results in found.items():
        won, of = sum(hits for _, hits, _ in results), sum(n for _, _, n in results)
        winner = "quantization wins" if 2 * won > of else "pruning wins" if 2 * won < of else "neither wins"
        where = listed(f"in {hits} of {n} languages against {method}" for method, hits, n in results)
        near = 1 / ABOUT_EQUAL <= after / before <= ABOUT_EQUAL
        memory = "about equal memory" if near else f"{fixed(100 * after / before, 0, 0)}% of the memory"
        sentences.append(
            f"**At {memory} {winner}**{f' for {model}' if len(models) > 1 else ''}: with "
            f"{width.removesuffix('-bit')} bits ({size(after)} "
            f"a weight) against {share} sparsity ({size(before)}), perplexity on {source} is lower "
            f"{where}{how(textless)}."
        )
    if not any(1 / ABOUT_EQUAL <= after / before <= ABOUT_EQUAL for _, _, before, _, after in found):
        sentences.append("No width of this run takes about as much memory as a pruned model.")
    return "\n\n".join(sentences)


def how(textless: Collection[str]) -> str:
    """On which text the models of a comparison are calibrated; `textless` are the methods that use none."""
    if not textless:
        return ", each calibrated in the language itself"
    return f"; calibrated in the language itself, but for {listed(textless)}, which uses no text"


def at_equal_memory(memory: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The claim KEEPS_MORE for every evaluation text and pair of about equal size, one row a Claim: by how much the
    quantized perplexity is lower, in percent. The tests on all texts are corrected together.

    From log ratios over languages, each calibrated in itself where the method uses text; see `claims.paired`.

    memory: evaluation text -> rows of `at_memory`.
    """
    return claims_frame([claim for source, rows in memory.items() for claim in _on_one_text(rows, source)])


def _on_one_text(rows: pd.DataFrame, source: str) -> Iterator[Claim]:
    sizes = rows.drop_duplicates(BLOCK).set_index(BLOCK)["bits"]
    for pruned, quantized, both in contests(rows):
        if not 1 / ABOUT_EQUAL <= sizes[quantized] / sizes[pruned] <= ABOUT_EQUAL:
            continue
        sizes_compared = f"{setting(*pruned[2:])} against {quantized[3]}"
        lower = np.log(both["pruned"] / both["quantized"]).to_numpy()
        yield Claim(
            KEEPS_MORE,
            **names(pruned, source=source, metric=f"perplexity on {source}", sparsity=sizes_compared),
            **paired(lower, lambda gain: float(100 * np.expm1(-gain)), more_or_less, MORE_OR_LESS),
        )
