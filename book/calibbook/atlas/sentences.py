"""What the page says before its figures and tables, computed from the same numbers."""

import numpy as np

from calibbook.atlas.additive import FEWEST, donor_rank
from calibbook.atlas.findings import Findings
from calibbook.atlas.matrix_tests import FEWEST as FEWEST_TO_FIT
from calibbook.atlas.prediction import agreement, mean_rank_correlation
from calibbook.atlas.rules import ADVISED, BEST, ENGLISH, MIXTURES, NEAREST, OWN, RANDOM, judged, mixed
from calibbook.atlas.tables import coefficient, more
from calibbook.shared.comparison import holm
from calibbook.shared.frames import method_label
from calibbook.shared.statistics import ALPHA, mean_interval
from calibbook.shared.verdicts import FEWEST_LANGUAGES
from calibbook.shared.words import listed

STRANGERS = (OWN, BEST, RANDOM)
"""What is no rule to follow without text in the target: its own text, what nobody knows, and chance."""


TOO_FEW_TO_EXPLAIN = f"There are fewer than {FEWEST_TO_FIT} languages: too few pairs to tell relations from chance."
PREDICTION = """## Predicted against measured

`calibprune advise` predicts the map without pruning anything: one walk over the dense model collects the statistics
of all languages, and the mask that the statistic of one language would choose is weighed with that of another. Here
its order of the calibration languages is compared with the measured one, target by target and without the target
itself."""


def in_short(found: list[Findings]) -> list[str]:
    """What was asked, what was found, how sure that is, and what follows: a sentence or two each."""
    return [
        asked(found),
        own_text(found),
        " ".join(filter(None, [best_rule(found), english(found)])),
        prediction(found),
        " ".join([explanation(found), sureness(found)]),
        so_what(found),
    ]


def asked(found: list[Findings]) -> str:
    """What was done, in a sentence or two."""
    atlases = [one.atlas for one in found]
    first = atlases[0]
    models = listed(dict.fromkeys(atlas.block.model for atlas in atlases))
    methods = listed(dict.fromkeys(method_label(atlas.block.method) for atlas in atlases))
    sources = listed(dict.fromkeys(atlas.source for atlas in atlases))
    return (
        f"We pruned {models} with {methods}, calibrated in each of {len(first.languages)} languages, and measured "
        f"every model in all of them on {sources}. The question: without text in a language, what should stand in for "
        "it?"
    )


def own_text(found: list[Findings]) -> str:
    """How often and by how much the language itself is the best calibration."""
    atlases = [one.atlas for one in found]
    hits = [sum(atlas.increase[code].idxmin() == code for code in atlas.languages) for atlas in atlases]
    gaps = [one.losses[RANDOM].mean() - one.losses[OWN].mean() for one in found]
    return (
        f"Text in the language itself is best in {_range(hits)} of {len(atlases[0].languages)} languages ({len(found)} "
        f"{_maps(found)}). The average other language in its place costs {_between(gaps)} of perplexity."
    )


def best_rule(found: list[Findings]) -> str:
    """Which rule that names single languages loses least on average, beside English and the mixture of all."""
    best, english, everything = {}, [], []
    for one in found:
        regrets = judged(one.losses).query("n >= @least", local_dict={"least": len(one.atlas.languages) - 1})["regret"]
        english += [regret for rule, regret in regrets.items() if rule == ENGLISH]
        everything += [regret for rule, regret in regrets.items() if rule == mixed(len(one.atlas.languages))]
        rules = regrets[[rule not in STRANGERS and not rule.endswith(MIXTURES) for rule in regrets.index]]
        if len(rules):
            best.setdefault(rules.idxmin(), []).append(rules.min())
    note = {ADVISED: ", which reads a little text of the target,"}
    parts = [
        f"“{rule}”{note.get(rule, '')} on {len(some)} of {len(found)} {_maps(found)} ({_between(some)})"
        for rule, some in best.items()
    ]
    if not parts:
        return ""
    beside = f" English loses {_between(english)}." if english else ""
    beside += f" A mixture of all, the target among them, loses {_between(everything)}." if everything else ""
    return (
        "The rules that lose least against the best of the other languages, among those that choose a single one and "
        f"not a mixture with a share of the target: {listed(parts)}.{beside}"
    )


def explanation(found: list[Findings]) -> str:
    """Which predictors hold, the others held constant."""
    tables = [one.explained for one in found if one.explained is not None]
    if not tables:
        return ""
    held = []
    adjusted = [holm(table["p"].to_numpy()) for table in tables]
    for place, predictor in enumerate(tables[0].index):
        sizes = [
            row["coefficient"]
            for row, p in ((table.iloc[place], p[place]) for table, p in zip(tables, adjusted, strict=True))
            if p <= ALPHA and not row["low"] <= 0 <= row["high"]
        ]
        if sizes:
            held.append(f"{predictor} (on {len(sizes)} of {len(tables)}, {_between(sizes)} of perplexity)")
    if not held:
        return "None of the predictors stands out from chance once the others are known."
    return (
        f"What matters beyond chance (p at most {ALPHA:g} after Holm's correction, and an interval without zero) when "
        f"everything else is held constant: {listed(held)}."
    )


def english(found: list[Findings]) -> str:
    """English among the donors, in every atlas."""
    if any("en" not in one.atlas.languages for one in found) or len(found[0].atlas.languages) < FEWEST:
        return ""
    places = [donor_rank(one.atlas.increase, "en") for one in found]
    ends = min(low for _, low, _ in places), max(high for _, _, high in places)
    donors, place = len(found[0].atlas.languages), _range([place for place, *_ in places])
    return (
        f"Among the {donors} donors, the best one first, English has place {place} of {donors} ({len(found)} "
        f"{_maps(found)}; the intervals span {_range(ends)})."
    )


def so_what(found: list[Findings]) -> str:
    """The advice that the records bear: whether the language itself, and whether its nearest relative or English."""
    tables = [judged(one.losses) for one in found]
    if len(found[0].atlas.languages) < FEWEST_LANGUAGES:
        return "With so few languages no advice can be given."
    own = sum(table.loc[RANDOM, "own_low"] > 0 for table in tables)
    first = (
        "So: calibrate in the language where there is text of it"
        if own == len(tables)
        else f"So: that text in the language itself helps at all is shown on {own} of {len(tables)} {_maps(found)}"
    )
    relative = sum(table.loc[NEAREST, "english_high"] < 0 for table in tables)
    english = sum(table.loc[NEAREST, "english_low"] > 0 for table in tables)
    if relative == len(tables):
        second = f"{first}; without, take its nearest relative rather than English."
    elif english == len(tables):
        second = f"{first}; without, English serves better than its nearest relative."
    else:
        second = (
            f"{first}. Whether its nearest relative or English should stand in is not settled: the relative is better "
            f"beyond chance on {relative} of {len(tables)} {_maps(found)}, English on {english}."
        )
    return " ".join(filter(None, [second, advised(found), mixture(found)]))


def mixture(found: list[Findings]) -> str:
    """Whether the mixture of all languages, with its share of the target's text, does better than the relative."""
    compared = _against_the_relative(found, mixed(len(found[0].atlas.languages)))
    return compared and f"A mixture of all languages, a small part of it in the target, {compared}."


def advised(found: list[Findings]) -> str:
    """Whether the prediction, which reads a little text of the target, chooses better than kinship."""
    compared = _against_the_relative(found, ADVISED)
    return compared and f"With a little text of it to read, what `calibprune advise` chooses {compared}."


def _against_the_relative(found: list[Findings], rule: str) -> str:
    """On how many maps a rule loses less or more than the nearest relative; empty where one has not got the rule."""
    if not all(rule in one.losses for one in found):
        return ""
    ends = [mean_interval((one.losses[rule] - one.losses[NEAREST]).dropna().to_numpy()) for one in found]
    better, worse = sum(high < 0 for _, high in ends), sum(low > 0 for low, _ in ends)
    return (
        f"does better than the relative beyond chance on {better} of {len(found)} {_maps(found)}, and worse on {worse}"
    )


def prediction(found: list[Findings]) -> str:
    """How well one walk over the dense model orders the calibration languages, and what following it loses."""
    compared = [one for one in found if one.predicted is not None and ADVISED in one.losses]
    known = _correlations([mean_rank_correlation(agreement(one.atlas, one.predicted)) for one in compared])
    if not known:
        return ""
    tables = [judged(one.losses) for one in compared]
    beside = [
        f"{what} {_between([table.loc[rule, 'regret'] for table in tables])}"
        for rule, what in ((ENGLISH, "English"), (NEAREST, "the nearest relative"))
        if all(rule in table.index for table in tables)
    ]
    return (
        f"Predicted and measured order of the other languages have a mean rank correlation of {known}. The language "
        f"that is predicted best loses {_between([table.loc[ADVISED, 'regret'] for table in tables])} against the best "
        f"of the others{f' ({listed(beside)})' * bool(beside)}."
    )


def sureness(found: list[Findings]) -> str:
    """What the numbers rest on."""
    tokens = sorted({int(value) for one in found for value in one.atlas.tokens})
    return (
        f"A single cell of a map is noisy, as it rests on {_range(tokens)} predicted tokens; intervals are over "
        "languages, since that is what one wants to carry over to others."
    )


def amount(found: list[Findings]) -> str:
    """Whether languages whose tokens hold much text are the better donors."""
    known = _correlations([one.amount for one in found])
    if not known:
        return ""
    return (
        "Every calibration has the same number of tokens, and so the less text the more pieces a tokenizer makes of "
        f"it. The rank correlation of a donor's effect with tokens per character is {known}; above zero, languages of "
        "many pieces are the poorer donors."
    )


def suffering(found: list[Findings]) -> str:
    """Whether languages that the dense model predicts worse suffer more."""
    known = _correlations([one.suffering for one in found])
    if not known:
        return ""
    return (
        f"The rank correlation of what a language suffers with the dense model's bits per byte is {known}; above zero, "
        "languages of more bits a byte suffer more."
    )


def _correlations(found: list[tuple[float, float, float]]) -> str:
    """`0.31 to 0.44 (over 4 maps; the intervals span −0.01 to 0.62)`; nothing where none is known."""
    known = np.array([one for one in found if np.isfinite(one[0])])
    if not len(known):
        return ""
    values = [coefficient(known[:, 0].min()), coefficient(known[:, 0].max())]
    return (
        f"{' to '.join(dict.fromkeys(values))} (over {len(known)} {'maps' if len(known) > 1 else 'map'}; the intervals "
        f"span {coefficient(known[:, 1].min())} to {coefficient(known[:, 2].max())})"
    )


def _range(values) -> str:
    """`3` or `3 to 7`."""
    low, high = f"{int(min(values)):,}", f"{int(max(values)):,}"
    return low if low == high else f"{low} to {high}"


def _between(values) -> str:
    """`+3%` or `+3% to +7%` of differences in ln perplexity."""
    low, high = more(min(values)), more(max(values))
    return low if low == high else f"{low} to {high}"


def _maps(found: list[Findings]) -> str:
    return "maps" if len(found) > 1 else "map"
