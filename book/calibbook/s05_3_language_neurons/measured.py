"""What Section 5.3 and Appendix G measure on neurons, as numbers with their intervals; `claims.py` judges them.

A neuron is language-specific here as in the paper's Figure 3: it is among the 2% of lowest entropy in the dense model.
Choosing the lowest of noisy measurements makes them rise when they are measured again, pruned or not, so what other
texts of the dense model would change (`data.other_texts`) is taken off. It is much to take off, since the pruned
model is in fact measured on the same text.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.cbook import boxplot_stats

from calibbook.s05_3_language_neurons.changes import (
    EVERYWHERE,
    Changes,
    Estimate,
    Reference,
    mean_over_layers,
    over_layers,
    relative,
)
from calibbook.s05_3_language_neurons.data import (
    Activations,
    calibrated,
    dense_cell,
    lead_language,
    methods,
    models,
    read,
    swept,
)
from calibbook.shared.claims import MORE_OR_LESS
from calibbook.shared.registered import by_words, wording
from calibbook.shared.words import more_or_less, number
from calibprune.study.cells import Cell
from calibprune.study.derived import derived
from calibprune.study.store import Store

VERSION = 1
"""Of the derived tables of this file; raised when their numbers or words would change."""

RARE = wording("5.3-rare")
STRONG = wording("5.3-strong")
RISES = wording("beyond-lape-rises")
WIDENS = wording("5.3-widens")
CREATES = wording("5.3-creates")
AGNOSTIC = wording("5.3-agnostic-less")
LOSES = wording("5.3-loses-probability")
KEEPS = wording("5.3-keeps-magnitude")
KEEPS_MORE = wording("5.3-keeps-magnitude-better")


class Measured(NamedTuple):
    """What was measured for one claim on one model, with all that its verdict rests on; NaN for what is not known.

    Attributes:
        claim: its id in `claims.yaml`.
        cell: the id of the cell, whose model, method, sparsity, pattern and calibration are the next ones.
        source: the evaluation text.
        metric: what was measured, in words; what: the result in words; unit: as that of a Claim.
        n: the number of the lowest neurons.
        value, low, high, p: the result, its 95% interval, and the p value of none. Where `beyond_text`, what other
            texts of the dense model would change is taken off.
        beyond_text: whether it is a change that other texts make too.
        measured_low, measured_high: the interval before that was taken off; NaN where it was not.
        note: of a verdict.
    """

    claim: str
    cell: str
    model: str
    method: str
    sparsity: float
    pattern: str
    calibration: str
    source: str
    metric: str
    what: str
    unit: str
    n: int
    value: float
    low: float
    high: float
    p: float
    beyond_text: bool
    measured_low: float
    measured_high: float
    note: str


def of_section(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """What Figure 3 shows, one calibration language at every sparsity, for each method: one row a Measured."""
    found = []
    for model in models(cells):
        sweeps = [swept(cells, model, method) for method in methods(cells)]
        shown = {cell.id: cell for sweep in sweeps for cell in sweep}
        compute = partial(_frame, _of_sweeps, store, sweeps)
        found.append(derived(store, "neurons by sparsity", VERSION, list(shown.values()), compute))
    return pd.concat(found, ignore_index=True)


def of_every_calibration(store: Store, cells: Sequence[Cell]) -> pd.DataFrame:
    """`of_pruned` of every calibration language and draw: one row a Measured."""
    found = []
    for model in models(cells):
        dense = dense_cell(cells, model)
        pruned = [cell for method in methods(cells) for cell in calibrated(cells, model, method)]
        compute = partial(_frame, _of_calibrations, store, dense, pruned)
        found.append(derived(store, "neurons by calibration", VERSION, [dense, *pruned], compute))
    return pd.concat(found, ignore_index=True)


def _frame(measure: Callable[..., Iterator[Measured]], *arguments) -> pd.DataFrame:
    return pd.DataFrame(list(measure(*arguments)), columns=Measured._fields)


def _of_sweeps(store: Store, sweeps: Sequence[Sequence[Cell]]) -> Iterator[Measured]:
    """Of the first method's sweep the dense model too; the dense cell is the first of each."""
    reference = Reference(read(store, sweeps[0][0]))
    for place, cells in enumerate(sweeps):
        sweep = [reference.dense, *(read(store, cell) for cell in cells[1:])]
        if place == 0:
            yield from of_dense(reference, lead_language(sweep[-1]))
        yield from of_sweep(reference, sweep)
        for pruned in sweep[1:]:
            yield from of_pruned(reference, pruned)


def _of_calibrations(store: Store, dense: Cell, pruned: Sequence[Cell]) -> Iterator[Measured]:
    reference = Reference(read(store, dense))
    for cell in pruned:
        yield from of_pruned(reference, read(store, cell))


def of_dense(reference: Reference, language: str) -> list[Measured]:
    """How often the dense model's lowest neurons are active, and how strongly, in one language and in all."""
    dense, low = reference.dense, reference.low
    others = np.isfinite(dense.entropy) & ~low
    claims = []
    for where in (language, EVERYWHERE):
        often, strength = 100 * _in(dense.often, where), _in(dense.strength, where)
        found = mean_over_layers(dense.layer, (often, others), (often, low))
        rarer = sum(often[members].mean() < often[low].mean() for members in reference.groups)
        note = (
            f"{rarer} of the {len(reference.groups)} groups shown are active more rarely"
            if rarer
            else "lowest of all groups shown"
        )
        what = f"{number(often[low].mean())}% of tokens against {number(often[others].mean())}%"
        claims.append(_measured(RARE, dense, reference, f"in {where}", what, found, "%", note=note))
        for name, rest in (("the rest of the lowest 30%", others & ~reference.high), ("all others", others)):
            found = _percent_more(dense.layer, (strength, low), (strength, rest))
            metric, what = f"in {where}, against {name}", more_or_less(found.value)
            claims.append(_measured(STRONG, dense, reference, metric, what, found, MORE_OR_LESS))
    return claims


def of_sweep(reference: Reference, sweep: Sequence[Activations]) -> list[Measured]:
    """Whether each step up in sparsity widens the spread (standard deviation) of the lowest neurons' entropy; 2:4 and
    its like are left out.

    The first step is that from the dense model on other texts: on its own text its lowest group ends where the next one
    begins.
    """
    steps = [model for model in sweep if not model.cell.dense and model.cell.sparsity.pattern == "unstructured"]
    if not steps:
        return []
    found = [reference.by_text, *(reference.changes(model) for model in steps)]
    columns = [
        reference.low * values for step in found for values in (np.isfinite(step.entropy), step.entropy, step.square)
    ]

    def spreads(*sums):
        n, total, squares = (np.array(sums[start::3]) for start in range(3))
        with np.errstate(invalid="ignore"):  # NaN where no neuron is active
            return np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))

    smallest = over_layers(lambda *sums: np.diff(spreads(*sums), axis=0).min(axis=0), reference.dense.layer, *columns)
    values = map(number, spreads(*map(np.nansum, columns)))
    steps_in_words = ["dense on other texts", *(f"at {model.sparsity}" for model in steps)]
    boxes = [
        boxplot_stats(values[np.isfinite(values)])[0] for values in (model.entropy[reference.low] for model in sweep)
    ]
    note = (
        f"smallest step {number(smallest.value)}; whiskers span "
        f"{', '.join(number(box['whishi'] - box['whislo']) for box in boxes)}"
    )
    what = ", ".join(map(" ".join, zip(values, steps_in_words, strict=True)))
    return [_measured(WIDENS, steps[-1], reference, "standard deviation by sparsity (nats)", what, smallest, note=note)]


def of_pruned(reference: Reference, pruned: Activations) -> list[Measured]:
    """What pruning changed in the lowest neurons: beyond other texts, against neurons above the lowest 30%, and against
    their magnitudes.
    """
    changed = reference.changes(pruned)
    own = lead_language(pruned)
    places = (
        (own, "in the calibration language" if own == pruned.calibration else f"in {own}"),
        (EVERYWHERE, "in all languages"),
    )
    return [
        *_distribution(reference, pruned, changed),
        *_against_agnostic(reference, pruned, changed, AGNOSTIC, "LAPE", lambda change: change.moved, " nats"),
        *_against_agnostic(
            reference,
            pruned,
            changed,
            AGNOSTIC,
            "activation probability",
            lambda change: 100 * change.frequency,
            " points",
        ),
        *(
            claim
            for where, label in places
            for claim in _against_agnostic(
                reference,
                pruned,
                changed,
                LOSES,
                label,
                lambda change, where=where: 100 * reference.relative_in(change, where),
                "%",
            )
        ),
        *(
            claim
            for where, label in places
            for claim in _magnitude(reference, pruned, reference.relative_in(changed, where), where, label)
        ),
    ]


def _distribution(reference: Reference, pruned: Activations, changed: Changes) -> list[Measured]:
    """Where the lowest neurons went, and where those come from that are the lowest now."""
    low, text, layer = reference.low, reference.by_text, reference.dense.layer

    def moved(claim: str, metric: str, values: np.ndarray, by_text: np.ndarray, unit: str) -> Measured:
        found, as_measured = mean_over_layers(layer, (values - by_text, low)), mean_over_layers(layer, (values, low))
        what = f"{number(as_measured.value)}{unit}, on other texts {number(_mean(by_text[low]))}{unit}"
        return _measured(claim, pruned, reference, metric, what, found, unit, as_measured)

    columns = [changed.newly_low, changed.now_low, text.newly_low, text.now_low]
    new = over_layers(lambda a, n, b, m: 100 * (a / n - b / m), layer, *columns)
    share, by_text = (over_layers(lambda a, n: 100 * a / n, layer, *pair) for pair in (columns[:2], columns[2:]))
    what = f"{number(share.value)}%, on other texts {number(by_text.value)}%"
    return [
        moved(RISES, "", changed.rise, text.rise, " nats"),
        _measured(CREATES, pruned, reference, "new among the lowest 2%", what, new, "%", share),
        moved(
            CREATES,
            "from the lowest 2% to above the lowest 30%",
            100 * changed.now_high,
            100 * text.now_high,
            "%",
        ),
    ]


def _against_agnostic(
    reference: Reference,
    pruned: Activations,
    changed: Changes,
    claim: str,
    metric: str,
    pick: Callable[[Changes], np.ndarray],
    unit: str,
) -> list[Measured]:
    """Whether the lowest neurons change more than those above the lowest 30%, both beyond what another text would
    change; `pick` gives the change in question, in `unit`.
    """
    low, high, layer = reference.low, reference.high, reference.dense.layer
    values, by_text = pick(changed), pick(reference.by_text)
    found = mean_over_layers(layer, (values - by_text, low), (values - by_text, high))
    as_measured = mean_over_layers(layer, (values, low), (values, high))
    means = [number(_mean(column[among])) for column in (values, by_text) for among in (low, high)]
    what = f"{means[0]}{unit} against {means[1]}{unit}, on other texts {means[2]} against {means[3]}"
    return [_measured(claim, pruned, reference, metric, what, found, unit, as_measured)]


def _magnitude(reference: Reference, pruned: Activations, often: np.ndarray, where: str, label: str) -> list[Measured]:
    """Whether the lowest neurons' mean output stays within the margin, and changes less, neuron by neuron, than
    `often`, their relative change.
    """
    low, layer = reference.low, reference.dense.layer
    before, after = (_in(model.strength, where) for model in (reference.dense, pruned))
    kept = _percent_more(layer, (after, low), (before, low))
    moved, often = 100 * relative(after, before), 100 * often
    what = f"{number(moved[low].mean())}% against {number(often[low].mean())}%"
    less = mean_over_layers(layer, (often - moved, low))
    return [
        _measured(KEEPS, pruned, reference, label, more_or_less(kept.value), kept, MORE_OR_LESS),
        _measured(KEEPS_MORE, pruned, reference, label, what, less, "%"),
    ]


def _percent_more(
    layer: np.ndarray, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> Estimate:
    """By how many percent the mean of `one` is more than that of `other`: pairs of (values, among), [neurons]."""
    columns = [column for values, among in (one, other) for column in (among * values, among)]
    return over_layers(lambda x, n, y, m: 100 * ((x / n) / (y / m) - 1), layer, *columns)


def _mean(values: np.ndarray) -> float:
    """The mean of what is known, NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _in(values, where: str) -> np.ndarray:
    return values().mean(axis=1) if where == EVERYWHERE else values(where)


def _measured(
    claim: str,
    model: Activations,
    reference: Reference,
    metric: str,
    what: str,
    found: Estimate,
    unit: str = "",
    as_measured: Estimate | None = None,
    note: str = "",
) -> Measured:
    """Of the lowest neurons. `unit`: of the result; the interval repeats it where it is a percentage."""
    if np.isnan(found.value):
        note = "nothing to count"
    elif np.isnan(found.low):
        note = "too few layers for an interval"
    cell = model.cell
    before = as_measured or Estimate(math.nan, math.nan, math.nan)
    return Measured(
        by_words()[claim].id,
        cell.id,
        cell.model,
        cell.method,
        cell.sparsity.fraction,
        cell.pattern,
        model.calibration,
        model.source,
        metric,
        what,
        unit if unit in ("%", MORE_OR_LESS) else "",
        int(reference.low.sum()),
        *found,
        as_measured is not None,
        before.low,
        before.high,
        note,
    )
