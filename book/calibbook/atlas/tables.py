"""The tables of the atlas: a column for each model and method, with those of every evaluation text beside each other or
in a table of its own.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from calibbook.atlas.additive import donor_rank, givers_and_takers
from calibbook.atlas.data import mixture_name
from calibbook.atlas.findings import Findings
from calibbook.atlas.prediction import agreement, commands, mean_rank_correlation
from calibbook.atlas.rules import BEST, ENGLISH, OWN, judged
from calibbook.shared.frames import method_label, setting
from calibbook.shared.html import Cell, Html, command_box, heat_table, text_table
from calibbook.shared.words import listed, number, p_value
from calibprune.languages import describe
from calibprune.study.parameters import Parameters


def more(value: float) -> str:
    """`+12.3%` of a difference in ln perplexity; from ten times on `× 12.3`, and no more than a thousand times."""
    if not math.isfinite(value):
        return "–"
    if value > math.log(1000):
        return "over × 1,000"
    percent = 100 * np.expm1(value)
    return f"{'+' if percent > 0 else ''}{number(percent)}%" if abs(percent) < 1000 else f"× {number(math.exp(value))}"


def coefficient(r: float) -> str:
    """`0.31`, `−0.05`; a dash where it is not known."""
    return "–" if math.isnan(r) else f"{round(r, 2) + 0.0:.2f}".replace("-", "−")


def between(low: float, high: float) -> str:
    """`+1.2% to +3.4%`, or nothing where it is not known."""
    return f"{more(low)} to {more(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def name(code: str) -> str:
    """`Portuguese (pt)`."""
    return f"{describe(code).name} ({code})"


def pruned(found: list[Findings]) -> list[str]:
    """`Wanda 50%` of each atlas, with the model where there are several."""
    several = len({one.atlas.block.model for one in found}) > 1
    return [
        f"{f'{model}, ' * several}{method_label(method)} {setting(sparsity, pattern)}"
        for model, method, sparsity, pattern in (one.atlas.block for one in found)
    ]


def columns(found: list[Findings]) -> dict[int, tuple[str, str]]:
    """Headers of one column an atlas: the text above, what was pruned below."""
    return {place: (f"on {one.atlas.source}", name) for place, (one, name) in enumerate(_named(found))}


def _named(found: list[Findings]) -> list[tuple[Findings, str]]:
    return list(zip(found, pruned(found), strict=True))


def by_text(found: list[Findings]) -> list[list[Findings]]:
    """The atlases of each evaluation text, for tables that have several columns an atlas."""
    sources = dict.fromkeys(one.atlas.source for one in found)
    return [[one for one in found if one.atlas.source == source] for source in sources]


def alone_table(found: list[Findings]) -> Html:
    """Each predictor by itself: correlation with the increase, p below. All must have `explained`."""
    cells = {
        (predictor, place): Cell(coefficient(row["alone_r"]), below=_p(row["alone_p"]))
        for place, one in enumerate(found)
        for predictor, row in one.explained.iterrows()
    }
    return _by_rows(
        found[0].explained.index,
        columns(found),
        cells,
        "Predictor",
        "Each predictor by itself",
        "Correlation over pairs of two different languages, with p of the Mantel test. Negative: the more of it, the "
        "smaller the increase of perplexity.",
    )


def together_table(found: list[Findings]) -> Html:
    """All predictors in one regression: the change of perplexity with its interval and p. All must have `explained`."""
    cells = {
        (predictor, place): Cell(
            more(row["coefficient"]),
            below="; ".join(filter(None, [between(row["low"], row["high"]), _p(row["p"])])),
        )
        for place, one in enumerate(found)
        for predictor, row in one.explained.iterrows()
    }
    return _by_rows(
        found[0].explained.index,
        columns(found),
        cells,
        "Predictor",
        "All predictors together",
        "What each changes about the perplexity after pruning, the others held constant, with a 95% interval "
        "(jackknife over languages) and p (labels permuted, double semi-partialing; not corrected). A dash: the others "
        "leave nothing of it.",
    )


def donor_table(found: list[Findings]) -> Html:
    """Best and worst donors and recipients, and where English stands."""
    rows = []
    for one, pruned_by in _named(found):
        atlas = one.atlas
        effects = givers_and_takers(atlas.increase)
        donors, recipients = effects["donor"].sort_values(), effects["recipient"].sort_values()
        few = min(5, len(donors) // 2)
        rows.append(
            {
                "model": f"{pruned_by}, on {atlas.source}",
                "best donors": listed(map(name, donors.index[:few])),
                "worst donors": listed(map(name, donors.index[-few:][::-1])),
                "place of English": english_place(one),
                "best recipients": listed(map(name, recipients.index[:few])),
                "worst recipients": listed(map(name, recipients.index[-few:][::-1])),
            }
        )
    return text_table(
        pd.DataFrame(rows),
        "Donors and recipients",
        "Own effects over all other languages, best first; the place of English among the donors with a 95% interval "
        "(bootstrap over evaluation languages).",
        cards="place of English",
    )


def english_place(one: Findings) -> str:
    """`3 of 49 (1 to 7)`; a dash where English is not among the languages."""
    if "en" not in one.atlas.languages:
        return "–"
    place, low, high = donor_rank(one.atlas.increase, "en")
    return f"{place} of {len(one.atlas.languages)} ({low} to {high})"


def regret_table(found: list[Findings]) -> Html:
    """What each rule loses against the best other language, in the mean over targets, and for which it loses most;
    atlases of one evaluation text.
    """
    heads, cells = {}, {}
    for place, (one, pruned_by) in enumerate(_named(found)):
        heads |= {(place, "regret"): (pruned_by, "regret"), (place, "most"): (pruned_by, "highest for")}
        for rule, row in judged(one.losses).iterrows():
            cells[rule, (place, "regret")] = Cell(more(row["regret"]), below=between(row["low"], row["high"]))
            if row["worst"]:
                cells[rule, (place, "most")] = Cell(name(row["worst"]), below=more(row["most"]), left=True)
    return _by_rows(
        _rules(found),
        heads,
        cells,
        "Calibrated in",
        f"Regret of each rule on {found[0].atlas.source}",
        "How much higher the perplexity of the target is than after calibration in the best of the other languages, "
        "which nobody knows beforehand: geometric mean over target languages, with a 95% interval (Student's, over "
        "them), and the target for which it is highest. Below zero: better than any single other language.",
    )


def cost_table(found: list[Findings]) -> Html:
    """Each rule against the target's own text and against English; atlases of one evaluation text."""
    heads, cells = {}, {}
    for place, (one, pruned_by) in enumerate(_named(found)):
        for side, other in (("own", "its own text"), ("english", ENGLISH)):
            heads[place, side] = (pruned_by, f"against {other}")
            for rule, row in judged(one.losses).iterrows():
                ends = between(row[f"{side}_low"], row[f"{side}_high"])
                if rule != {"own": OWN, "english": ENGLISH}[side]:
                    cells[rule, (place, side)] = Cell(more(row[side]), below=ends)
                else:
                    cells[rule, (place, side)] = Cell("", aloud="compared with itself")
    return _by_rows(
        _rules(found),
        heads,
        cells,
        "Calibrated in",
        f"What the rules cost on {found[0].atlas.source}",
        "Perplexity against that after calibration in the target itself, and against that after calibration in "
        "English: geometric means over the targets that both say something of, with 95% intervals (Student's, over "
        "them).",
    )


def halves_table(found: list[Findings]) -> Html:
    """The regret of every rule in each half of the languages, by the dense model's bits a byte (`knowledge.halves`);
    atlases of one evaluation text.
    """
    heads, cells = {}, {}
    for place, (one, pruned_by) in enumerate(_named(found)):
        for half, members in one.halves.items():
            heads[place, half] = (pruned_by, f"{half} ({len(members)})")
            for rule, row in judged(one.losses.loc[members]).iterrows():
                cells[rule, (place, half)] = Cell(more(row["regret"]), below=between(row["low"], row["high"]))
    return _by_rows(
        _rules(found),
        heads,
        cells,
        "Calibrated in",
        f"Regret by what the dense model knows, on {found[0].atlas.source}",
        "As above, over the targets of each half.",
    )


def bits_table(found: list[Findings]) -> Html:
    """Bits per byte and perplexity per token of the dense model, by evaluation text; the best known language first."""
    by_source = {one.atlas.source: one for one in reversed(found)}
    order = found[0].bits.sort_values().index
    rows = [
        {"language": name(code)}
        | {f"bits per byte, {source}": float(one.bits[code]) for source, one in reversed(by_source.items())}
        | {
            f"perplexity per token, {source}": float(one.atlas.dense[code])
            for source, one in reversed(by_source.items())
        }
        for code in order
    ]
    return text_table(pd.DataFrame(rows), "What the dense model knows", "Best known first, by the first column.")


def agreement_table(found: list[Findings]) -> Html:
    """Predicted against measured for every atlas: rank correlation, hits, and where it fails."""
    rows = []
    for one, pruned_by in _named(found):
        if one.predicted is None:
            continue
        atlas, loss = one.atlas, one.predicted
        table = agreement(atlas, loss)
        known = table["rho"].dropna().sort_values()
        singles = loss.loc[atlas.languages]
        own = sum(singles[target].idxmin() == target for target in table.index)
        row = {
            "model": f"{pruned_by}, on {atlas.source}",
            "mean rank correlation": _mean_correlation(table),
            "median": coefficient(float(known.median())),
        }
        if len(atlas.mixtures) and loss.loc[atlas.mixtures.index].notna().any(axis=None):
            row["with mixtures"] = _mean_correlation(agreement(atlas, loss, mixtures=True))
        row |= {
            "best other language found": f"{int((table['regret'] <= 0).sum())} of {len(table)}",
            "itself predicted best": f"{own} of {len(table)}",
            "regret of the choice": more(float(table["regret"].mean())),
            "fails most": listed(f"{name(code)} {coefficient(rho)}" for code, rho in known.head(5).items()) or "–",
        }
        rows.append(row)
    return text_table(
        pd.DataFrame(rows),
        "Predicted against measured",
        "Spearman's correlation over the other languages, for every target; the mean over targets with a 95% interval "
        "(Student's, over them).",
        cards="mean rank correlation",
    )


def how_to_predict(p: Parameters) -> Html:
    """The commands that make the predictions of an atlas."""
    before = (
        "From the statistics of the very text that the atlas calibrates with, and of a few windows of the same "
        "source's validation text in every target:"
    )
    return command_box("To predict", before, "\n".join(commands(p)), ["The page reads the tables from there."], [])


def _mean_correlation(table: pd.DataFrame) -> str:
    """`0.71 (0.66 to 0.76)` of a table of `agreement`."""
    mean, low, high = mean_rank_correlation(table)
    return coefficient(mean) + (f" ({coefficient(low)} to {coefficient(high)})" if math.isfinite(low) else "")


def mixture_table(found: list[Findings]) -> Html:
    """The mean increase of every mixture over the languages in it and over the others; atlases of one text."""
    heads, cells, rows = {}, {}, {}
    for place, (one, pruned_by) in enumerate(_named(found)):
        languages = one.atlas.languages
        for mixture, increase in one.atlas.mixtures.iterrows():
            inside = increase.index.isin(mixture.split("+"))
            for side, some in (("its own languages", increase[inside]), ("all other languages", increase[~inside])):
                rows[mixture_name(mixture, languages)] = None
                heads[place, side] = (pruned_by, side)
                if len(some):
                    cells[mixture_name(mixture, languages), (place, side)] = Cell(more(float(some.mean())))
    return _by_rows(
        rows,
        heads,
        cells,
        "Calibrated in",
        f"Mixtures, on {found[0].atlas.source}",
        "Perplexity over that of the dense model, geometric mean over languages.",
    )


def _by_rows(
    rows: Iterable[str], heads: Mapping, cells: Mapping[tuple, Cell], corner: str, title: str, note: str
) -> Html:
    return heat_table({row: (row,) for row in rows}, heads, cells, [corner], title, note)


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"p {p_value(p)}"


def _rules(found: list[Findings]) -> list[str]:
    return list(dict.fromkeys(rule for one in found for rule in one.losses.columns.drop(BEST)))
