"""Without text in the target language, what should one calibrate in? Rules that choose among the other languages, and
what each of them loses.

No rule sees the target's own row or column: those that learn from other languages learn without it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from calibbook.atlas.additive import FEWEST, parts
from calibbook.atlas.data import Atlas, families, mixture_name
from calibbook.atlas.matrix_tests import FEWEST as FEWEST_TO_FIT
from calibbook.atlas.matrix_tests import coefficients
from calibbook.atlas.relatedness import OVERLAP, nearest
from calibbook.shared.statistics import mean_interval

OWN, BEST = "the language itself", "the best of the others"
ENGLISH, RANDOM = "English", "any other language, on average"
NEAREST, TOKENS = "the nearest by branch, script, family", "the one with most shared tokens"
LEARNED, FITTED = "the best for all other languages", "by all predictors together"
ADVISED = "by calibprune advise"
FAMILY = "its whole family, mixed"
MIXTURES = "mixed"
"""How the names of those rules end that are not quite of this kind: the mixture holds a share of the target's own
text.
"""

Choice = Callable[[str], list[str]]
"""The languages that a rule may take for a target, each with equal chance; none where the rule says nothing."""


def mixed(count: int) -> str:
    """The name of the rule that takes a mixture of all languages."""
    return f"all {count} languages, mixed"


def losses(atlas: Atlas, named: dict[str, np.ndarray], predicted: pd.DataFrame | None = None) -> pd.DataFrame:
    """Increase of ln perplexity by target (rows) under every rule (columns) that says something, NaN where it says
    nothing of a target: the mean over what it may take. The first two columns are `OWN` and `BEST`.

    Args:
        named: `relatedness.predictors` of the atlas's languages.
        predicted: loss predicted by one walk, [calibration, evaluation].
    """
    increase, languages = atlas.increase, atlas.languages
    table = pd.DataFrame(index=languages)
    table[OWN] = np.diagonal(atlas.values)
    table[BEST] = [increase[target].drop(target).min() for target in languages]
    choices = {
        RANDOM: lambda target: [code for code in languages if code != target],
        ENGLISH: lambda target: ["en"] if "en" in languages and target != "en" else [],
        NEAREST: lambda target: nearest(languages, target),
        TOKENS: lambda target: _first(languages, target, -named[OVERLAP][:, languages.index(target)]),
        LEARNED: lambda target: _learned(atlas, target),
        FITTED: lambda target: _fitted(atlas, target, named),
    }
    if predicted is not None:
        choices[ADVISED] = lambda target: _first(
            languages, target, predicted.reindex(index=languages, columns=languages)[target].to_numpy()
        )
    for name, choice in choices.items():
        chosen = {target: choice(target) for target in languages}
        table[name] = [increase.loc[codes, target].mean() if codes else np.nan for target, codes in chosen.items()]
    return table.join(_of_mixtures(atlas)).dropna(axis=1, how="all")


def regret(table: pd.DataFrame) -> pd.DataFrame:
    """`losses` less that of the best other language: rules as columns, without `BEST`."""
    return table.sub(table[BEST], axis=0).drop(columns=BEST)


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """One row a rule of `losses`: `n` targets; mean `regret` with `low` and `high`; `worst` target and its `most`; mean
    `own`, less the loss with the target's own text, with `own_low` and `own_high`; mean `english`, less the loss with
    English, with its ends. Intervals of 95%: Student's, over target languages.
    """
    rows = []
    for name in table.columns.drop(BEST):
        row = {"rule": name}
        for column, other in (("regret", BEST), ("own", OWN), ("english", ENGLISH)):
            gaps = (table[name] - table.get(other, np.nan)).dropna()
            low, high = mean_interval(gaps.to_numpy())
            ends = ("low", "high") if column == "regret" else (f"{column}_low", f"{column}_high")
            row |= {column: gaps.mean() if len(gaps) else np.nan, ends[0]: low, ends[1]: high}
            if column == "regret":
                row |= {"n": len(gaps), "worst": gaps.idxmax() if len(gaps) else "", "most": gaps.max()}
        rows.append(row)
    return pd.DataFrame(rows).set_index("rule")


def _first(languages: list[str], target: str, scores: np.ndarray) -> list[str]:
    """The other languages with the lowest score; none where no score is known."""
    known = pd.Series(scores, languages).drop(target).dropna()
    return list(known.index[known == known.min()])


def _without(languages: list[str], target: str) -> np.ndarray:
    return np.flatnonzero([code != target for code in languages])


def _learned(atlas: Atlas, target: str) -> list[str]:
    """The best donor of the atlas without the target."""
    others = _without(atlas.languages, target)
    if len(others) < FEWEST:
        return []
    donors = np.full(len(atlas.languages), np.nan)
    donors[others] = parts(atlas.values[np.ix_(others, others)]).donors
    return _first(atlas.languages, target, donors)


def _fitted(atlas: Atlas, target: str, named: dict[str, np.ndarray]) -> list[str]:
    """The best by donors' effects and predictors together, both fitted without the target."""
    languages, others = atlas.languages, _without(atlas.languages, target)
    if len(others) < FEWEST_TO_FIT:
        return []
    inner = np.ix_(others, others)
    values = atlas.values[inner]
    fitted = coefficients(values, {name: one[inner] for name, one in named.items()})
    terms = [(coefficient, named[name]) for name, coefficient in fitted.dropna().items()]
    donors = parts(values - sum(coefficient * matrix[inner] for coefficient, matrix in terms)).donors
    scores = np.full(len(languages), np.nan)
    place = languages.index(target)
    scores[others] = donors + sum(coefficient * matrix[others, place] for coefficient, matrix in terms)
    return _first(languages, target, scores)


def _of_mixtures(atlas: Atlas) -> pd.DataFrame:
    """The mixture of all languages, and each target's family; both hold a share of the target's own text."""
    table = pd.DataFrame(index=atlas.languages)
    by_name = {mixture_name(mixture, atlas.languages): row for mixture, row in atlas.mixtures.iterrows()}
    if (everything := f"all {len(atlas.languages)}") in by_name:
        table[mixed(len(atlas.languages))] = by_name[everything]
    of_family = pd.Series(np.nan, atlas.languages)
    for family, members in families(atlas.languages).items():
        if (name := f"family: {family}") in by_name:
            of_family[members] = by_name[name][members]
    return table.assign(**{FAMILY: of_family}) if of_family.notna().any() else table
