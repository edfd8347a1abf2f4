"""Does the language of the calibration text matter, or only which text it was? The zero line is what several draws of
one language do: a language matters where its draws are more alike than draws of different languages.

`runs` are the scores of pruned models, [calibrations, draws, columns], a column being one task in one evaluation
language. Columns are scored on the same models, so they are not independent: models are what is exchanged here, and
calibrations what is left out.
"""

from collections.abc import Mapping

import numpy as np

from calibbook.shared.frames import is_mixture
from calibbook.shared.statistics import ROUNDING, jackknife_interval
from calibbook.shared.words import in_caption

ORDERS = 9_999
FEWEST_DRAWS = 2
ONE_DRAW = "drawn once: nothing tells the languages from the text that was drawn"


def mean_over_draws(draws: Mapping[str, int]) -> str:
    """How many draws the means of a table are over, without a full stop: `Mean over 3 draws of calibration text, of
    mixtures over 1`. `draws`: of each calibration.
    """
    if set(draws.values()) == {1}:
        return "One draw of calibration text"
    single, mixed = ([n for text, n in draws.items() if is_mixture(text) == kind] for kind in (False, True))
    if not (single and mixed) or set(single) == set(mixed):
        return f"Mean over {in_caption(draws.values())} draws of calibration text"
    return f"Mean over {in_caption(single)} draws of calibration text, of mixtures over {in_caption(mixed)}"


def draws_of_models(draws: Mapping[tuple[str, str], int]) -> str:
    """`mean_over_draws` of a table of several models: of each by itself where they differ; `draws` of each model and
    calibration.
    """
    said: dict[str, str] = {}
    for model in dict.fromkeys(model for model, _ in draws):
        said[model] = mean_over_draws({text: n for (own, text), n in draws.items() if own == model})
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{model}: {words[0].lower()}{words[1:]}" for model, words in said.items())


def language_p_value(runs: np.ndarray) -> float:
    """Probability of means of the languages that lie at least as far apart if any model could have any language.

    The omnibus test for all columns at once: the sum of squares between languages, each column over its own spread,
    with the languages' labels exchanged between models (Anderson, 2001), a fixed random sample of orders. NaN with one
    draw a language or one language.
    """
    calibrations, draws, columns = runs.shape
    if calibrations < 2 or draws < FEWEST_DRAWS:
        return float("nan")
    models = runs.reshape(calibrations * draws, columns)
    models = models - models.mean(axis=0)
    spread = models.std(axis=0)
    models = models[:, spread > ROUNDING] / spread[spread > ROUNDING]
    if not models.size:
        return 1.0
    alike = models @ models.T
    stream = np.random.default_rng(0)
    n = len(models)
    orders = np.concatenate([np.arange(n)[None], stream.permuted(np.tile(np.arange(n), (ORDERS, 1)), axis=1)])
    groups = orders.reshape(len(orders), calibrations, draws)
    between = alike[groups[..., :, None], groups[..., None, :]].sum(axis=(1, 2, 3))
    return float(np.mean(between >= between[0] - ROUNDING * max(1.0, abs(between[0]))))


def language_variance(runs: np.ndarray) -> tuple[float, np.ndarray]:
    """The variance between languages beyond that of their draws, mean over columns, and its values without each
    language in turn, [calibrations]. It is without bias, and so may be negative; NaN with one draw.

    The mean square between languages less that within, over the draws (the random-effects analysis of variance). The
    noise of items is the same within and between, and so cancels.
    """
    calibrations, draws, _ = runs.shape
    if draws < FEWEST_DRAWS:
        return float("nan"), np.full(calibrations, np.nan)
    within = runs.var(axis=1, ddof=1).mean(axis=1) / draws  # [calibrations]
    means = runs.mean(axis=1)

    def component(keep: np.ndarray) -> float:
        return float(means[keep].var(axis=0, ddof=1).mean() - within[keep].mean()) if len(keep) > 1 else float("nan")

    every = np.arange(calibrations)
    return component(every), np.array([component(np.delete(every, i)) for i in every])


def more_variance(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    """The language's variance in `one` less that in `other`, with its 95% interval and two-sided p value; the same
    languages in both, which are left out in turn.
    """
    (a, a_without), (b, b_without) = language_variance(one), language_variance(other)
    return a - b, *jackknife_interval(a - b, a_without - b_without)
