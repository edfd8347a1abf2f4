"""Section 5.3's page: neurons read from a store, grouped, drawn and tested; planted changes are found, and those that
counting makes are not.
"""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from drawing import draw
from frames import SEVEN
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_1samp
from without_arrays import shelf_without_arrays

from calibbook.s05_3_language_neurons import claims as claims
from calibbook.s05_3_language_neurons import data as neurons
from calibbook.s05_3_language_neurons import grouped, measured
from calibbook.s05_3_language_neurons import survival as neuron_survival
from calibbook.s05_3_language_neurons.changes import Reference, mean_over_layers, over_layers, relative
from calibbook.s05_3_language_neurons.figures import appendix_g, figure_3
from calibbook.s05_3_language_neurons.tables import kept_table, summary
from calibbook.shared.claim_tables import readable
from calibbook.shared.claims import Claim
from calibbook.shared.languages import NO_TARGET, fixed_order
from calibprune.errors import ParameterError, StoreError
from calibprune.metrics.neurons import language_specific
from calibprune.schemes import Sparsity
from calibprune.study.cells import Cell, Evaluation
from calibprune.study.shelves import open_shelves
from calibprune.study.store import COLUMNS, Store

LAYERS, NEURONS, TOKENS = 8, 100, 2000


def cell(
    method="dense", sparsity="0", language="", part="languages", languages=SEVEN, seed=0, metrics=("neurons",)
) -> Cell:
    return Cell(
        "tiny",
        method,
        Sparsity.of(sparsity) if method != "dense" else Sparsity(0.0),
        (language,) if language else (),
        seed,
        "chromium",
        4,
        16,
        tuple(languages),
        (Evaluation("chromium", 4, TOKENS // 4),),
        metrics,
        None,
        (),
        None,
        False,
        "float32",
        part,
        {},
    )


def dense_probability(languages=SEVEN, layers=LAYERS) -> torch.Tensor:
    """Mostly agnostic neurons; in each layer the first four fire for one language alone, rarely, and the fifth at no
    time.
    """
    stream = torch.Generator().manual_seed(0)
    often = torch.rand(layers, NEURONS, 1, generator=stream) * 0.6 + 0.2
    probability = (often + 0.05 * torch.rand(layers, NEURONS, len(languages), generator=stream)).clamp(0, 1)
    for layer, neuron in product(range(layers), range(4)):
        probability[layer, neuron] = 0.005
        probability[layer, neuron, (layer + neuron) % len(languages)] = 0.1
    probability[:, 4] = 0.0
    return (probability * TOKENS).round() / TOKENS


def activations(made: Cell, probability: torch.Tensor, mean_abs: torch.Tensor | None = None) -> neurons.Activations:
    strength = torch.rand(probability.shape, generator=torch.Generator().manual_seed(1)) + 0.5
    return neurons.Activations(made, probability.float(), strength if mean_abs is None else mean_abs)


def keep(store: Store, found: neurons.Activations) -> Cell:
    tensors = {
        f"{language}.{kind}": values[..., k].contiguous()
        for k, language in enumerate(found.languages)
        for kind, values in (("probability", found.probability), ("mean_abs", found.mean_abs))
    }
    store.write(found.cell, pd.DataFrame(columns=list(COLUMNS)), {}, {"neurons": tensors})
    return found.cell


def pruned_for(language: str, amount=0.2, seed=2) -> torch.Tensor:
    """All probabilities moved by up to `amount`, those in `language` by a tenth of it."""
    probability = dense_probability()
    moved = amount * (2 * torch.rand(probability.shape, generator=torch.Generator().manual_seed(seed)) - 1)
    moved[..., SEVEN.index(language)] *= 0.1
    return (probability + moved * (probability > 0)).clamp(0, 1)


@pytest.fixture
def dense():
    return activations(cell(), dense_probability())


@pytest.fixture(scope="module")
def reference():
    return Reference(activations(cell(), dense_probability()))


@pytest.fixture
def study(tmp_path):
    """A store with the dense model, both methods in every language, and a sweep in German."""
    store = Store(tmp_path)
    cells = [keep(store, activations(cell(), dense_probability()))]
    for method, language in product(("wanda", "sparsegpt"), SEVEN):
        cells.append(keep(store, activations(cell(method, "0.5", language), pruned_for(language))))
    for method, sparsity in product(("wanda", "sparsegpt"), ("0.7", "0.3")):
        cells.append(
            keep(store, activations(cell(method, sparsity, "de", "sweep"), pruned_for("de", 0.3 * float(sparsity), 3)))
        )
    return store, cells


def of_dense(*arguments) -> list[Claim]:
    return claims.claimed(measured.of_dense(*arguments))


def of_sweep(*arguments) -> list[Claim]:
    return claims.claimed(measured.of_sweep(*arguments))


def of_pruned(*arguments) -> list[Claim]:
    return claims.claimed(measured.of_pruned(*arguments))


def in_groups(*models: neurons.Activations) -> list[grouped.Grouped]:
    """Of the dense model and its pruned copies, as a page reads it from the table."""
    rows = grouped.table(models)
    return [grouped.Grouped.of(model.cell, rows[rows["cell"] == model.cell.id]) for model in models]


def verdicts(found, claim: str) -> list[str]:
    return [row.verdict for row in found if row.claim == claim]


# ---- reading and grouping


def test_what_was_written_is_read_language_by_language(study):
    store, cells = study
    found = neurons.read(store, cells[0])
    assert torch.equal(found.probability, dense_probability()) and found.mean_abs.shape == (LAYERS, NEURONS, 7)
    assert np.array_equal(found.often("ru"), dense_probability()[..., SEVEN.index("ru")].double().ravel())
    assert found.tokens == TOKENS and found.source == "chromium"
    assert neurons.title(neurons.read(store, cells[2])) == "tiny, Wanda, 50%, calibrated in DE"
    assert neurons.title(found) == "tiny, Dense"


def test_a_cell_without_neurons_is_one_line(study):
    store, _ = study
    store.write(cell("wanda", "0.6", "de"), pd.DataFrame(columns=list(COLUMNS)), {})
    with pytest.raises(StoreError, match="without 'neurons'") as error:
        neurons.read(store, cell("wanda", "0.6", "de"))
    assert "\n" not in str(error.value)


def test_groups_are_of_two_percent_from_the_lowest_entropy_on(dense):
    members = neurons.groups(dense)
    assert [len(group) for group in members] == [16] * 15  # 2% of 800 neurons, the never active ones among the 800
    together = np.concatenate(members)
    assert len(set(together)) == 240
    assert (np.diff(dense.entropy[together]) >= 0).all()
    rest = np.setdiff1d(np.flatnonzero(np.isfinite(dense.entropy)), together)
    assert dense.entropy[rest].min() >= dense.entropy[together].max()


def test_the_sweep_is_one_calibration_from_dense_to_sparse(study):
    _, cells = study
    swept = neurons.swept(cells, "tiny", "sparsegpt")
    assert [(found.method, found.sparsity.fraction, found.calibration) for found in swept] == [
        ("dense", 0.0, ()),
        ("sparsegpt", 0.3, ("de",)),
        ("sparsegpt", 0.5, ("de",)),
        ("sparsegpt", 0.7, ("de",)),
    ]
    assert neurons.methods(cells) == ["sparsegpt", "wanda"]


def test_without_a_sweep_the_first_language_and_draw_is_taken():
    cells = [cell(), *(cell("wanda", "0.5", language, seed=seed) for language, seed in product(("sw", "de"), (3, 4)))]
    assert [(found.calibration, found.seed) for found in neurons.swept(cells, "tiny", "wanda")] == [
        ((), 0),
        (("sw",), 3),
    ]
    assert len(neurons.calibrated(cells, "tiny", "wanda")) == 4
    said = "The paper's claims are tested on models calibrated in Swahili (SW), on one draw of calibration text"
    assert neurons.tested_on(cells) == f"{said}, the first of 2." and neurons.tested_on(cells[:2]) == f"{said}."
    assert neurons.tested_on(cells[:1]) == ""


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ([cell(metrics=()), cell("wanda", "0.5", "de", metrics=("perplexity",))], "`neurons`"),
        ([cell()], "a method that calibrates"),
        ([cell(languages=("de",)), cell("wanda", "0.5", "de", languages=("de",))], "at least two"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(cells, word):
    assert word in neurons.missing(cells)
    with pytest.raises(ParameterError) as error:
        neurons.recorded(cells)
    assert str(error.value) == neurons.missing(cells) and "\n" not in neurons.missing(cells)


def test_never_active_neurons_are_counted_and_those_that_fell_silent_apart(dense):
    probability = dense_probability()
    probability[0, :3] = 0  # three fall silent
    probability[1, 4] = 0.1  # one awakes
    table = grouped.never_active(in_groups(dense, activations(cell("wanda", "0.5", "de"), probability)))
    assert table["never active"].tolist() == [8, 10]
    assert table["active in the dense model"].tolist() == [0, 3]
    assert table["of all neurons"].tolist() == ["1.00%", "1.25%"]
    assert table["model"].tolist() == ["Dense", "tiny, Wanda, 50%, calibrated in DE"]


def test_a_row_of_several_says_what_tells_it_from_the_others(dense):
    swept = [activations(cell("wanda", share, "de"), dense_probability()) for share in ("0.5", "0.7")]
    assert grouped.never_active(in_groups(dense, *swept))["model"].tolist() == ["Dense", "50%", "70%"]


def test_another_text_scatters_around_the_measured_probabilities_as_its_length_says(dense):
    draws = np.array([often for often, _ in neurons.other_texts(dense, 200)])
    p = dense.often()
    assert ((draws >= 0) & (draws <= 1)).all()
    error = np.sqrt(p * (1 - p) / TOKENS)
    assert np.abs(draws.mean(axis=0) - p).max() < 6 * (error.max() * np.sqrt(2 / 200) + 1 / TOKENS)
    middle = (p > 0.2) & (p < 0.8)
    # error of the measurement, and of the draw
    assert (draws.std(axis=0)[middle] / error[middle]).mean() == pytest.approx(math.sqrt(2), rel=0.03)
    again = next(neurons.other_texts(dense))
    assert np.array_equal(again[0], draws[0])


# ---- statistics


@given(arrays(float, (2, 5), elements=st.floats(0, 1)))
@settings(max_examples=50, deadline=None)
def test_relative_change_is_symmetric_and_between_zero_and_one(pair):
    found = relative(*pair)
    assert np.array_equal(found, relative(*pair[::-1])) and ((found >= 0) & (found <= 1)).all()
    assert (found[pair[0] == pair[1]] == 0).all()
    assert relative(np.array([0.2]), np.array([0.1]))[0] == pytest.approx(1 / 3)


def test_intervals_are_those_of_whole_layers():
    stream = np.random.default_rng(0)
    by_layer = stream.normal(size=20)
    layer = np.repeat(np.arange(20), 50)
    ones = np.ones(1000)
    value, low, high, p = over_layers(lambda x, n: x / n, layer, by_layer[layer], ones)
    assert value == pytest.approx(by_layer.mean())
    test = ttest_1samp(by_layer, 0)  # of 20 observations and not of 1,000
    assert (low, high) == pytest.approx(tuple(test.confidence_interval())) and p == pytest.approx(test.pvalue)
    assert over_layers(lambda x, n: x / n, layer, 3 * ones, ones)[:3] == (3, 3, 3)
    few = over_layers(lambda x, n: x / n, layer % 4, by_layer[layer], ones)
    assert few.value == pytest.approx(value) and math.isnan(few.low) and math.isnan(few.high)


def test_values_that_are_not_known_are_left_out():
    layer = np.repeat(np.arange(5), 2)
    values = np.where(np.arange(10) % 2, 1.0, np.nan)
    assert mean_over_layers(layer, (values, np.ones(10, bool)))[:3] == (1, 1, 1)


# ---- claims


def test_lowest_neurons_are_rare_and_their_strength_is_compared(reference):
    strength = torch.ones(reference.dense.mean_abs.shape)
    found = of_dense(Reference(activations(cell(), dense_probability(), strength)), "de")
    assert verdicts(found, claims.RARE) == ["held", "held"]
    assert all(row.note == "lowest of all groups shown" for row in found if row.claim == claims.RARE)
    assert set(verdicts(found, claims.STRONG)) == {"undecided"}
    strength.view(-1, 7)[torch.from_numpy(reference.low)] = 2
    loud = of_dense(Reference(activations(cell(), dense_probability(), strength)), "de")
    assert [(row.what, row.verdict) for row in loud if row.claim == claims.STRONG] == [("100% more", "held")] * 4


def test_neurons_that_lost_their_language_are_noticed(reference):
    probability = dense_probability()
    probability[:, 10:14] = probability[:, :4]
    probability[:, :4] = 0.5
    found = of_pruned(reference, activations(cell("wanda", "0.5", "de"), probability, reference.dense.mean_abs))
    assert verdicts(found, claims.RISES) == ["held"]
    assert verdicts(found, claims.CREATES) == ["held", "held"]
    assert verdicts(found, claims.AGNOSTIC) == ["held", "held"]
    assert verdicts(found, claims.LOSES) == ["held", "held"]
    assert verdicts(found, claims.KEEPS) == ["held", "held"] and verdicts(found, claims.KEEPS_MORE) == ["held", "held"]


def test_a_model_that_did_not_change_confirms_nothing_but_what_is_retained(reference):
    found = of_pruned(reference, activations(cell("wanda", "0.5", "de"), dense_probability()))
    assert verdicts(found, claims.RISES) == ["not held"]
    assert verdicts(found, claims.CREATES) == ["undecided"] * 2  # that something exists nothing can refute
    assert "held" not in verdicts(found, claims.AGNOSTIC) + verdicts(found, claims.LOSES) + verdicts(
        found, claims.KEEPS_MORE
    )
    kept = [row for row in found if row.claim == claims.KEEPS]
    assert [(row.statistic, row.low, row.high, row.verdict) for row in kept] == [(0, 0, 0, "held")] * 2


def test_the_dense_model_on_another_text_does_not_pass_for_a_pruned_one(reference):
    often = np.array([often for often, _ in neurons.other_texts(reference.dense, 12)])[-1]
    found = of_pruned(
        reference, activations(cell("wanda", "0.5", "de"), torch.from_numpy(often).view(LAYERS, NEURONS, 7))
    )
    assert "held" not in verdicts(found, claims.RISES) + verdicts(found, claims.AGNOSTIC)
    rise = next(row for row in found if row.claim == claims.RISES)
    assert rise.low < 0 < rise.high


def test_agnostic_neurons_that_change_more_contradict_the_paper(reference):
    probability = dense_probability()
    probability[:, 50:] = (probability[:, 50:] - 0.15).clamp(min=0)
    found = of_pruned(reference, activations(cell("wanda", "0.5", "de"), probability))
    frequency = next(row for row in found if row.claim == claims.AGNOSTIC and row.metric == "activation probability")
    assert frequency.verdict == "not held" and frequency.high < 0


@pytest.mark.parametrize(
    ("factor", "verdict", "what"),
    [(2.0, "not held", "100% more"), (1.04, "held", "4.00% more"), (0.5, "not held", "50.0% less")],
)
def test_magnitudes_are_retained_only_within_the_margin(reference, factor, verdict, what):
    found = of_pruned(
        reference, activations(cell("wanda", "0.5", "de"), dense_probability(), factor * reference.dense.mean_abs)
    )
    assert [(row.verdict, row.what) for row in found if row.claim == claims.KEEPS] == [(verdict, what)] * 2


def test_too_few_layers_leave_everything_undecided():
    few = Reference(activations(cell(), dense_probability(layers=3)))
    pruned = activations(cell("wanda", "0.5", "de"), dense_probability(layers=3).flip(1))
    found = of_dense(few, "de") + of_pruned(few, pruned) + of_sweep(few, [few.dense, pruned])
    assert {row.verdict for row in found} == {"undecided"}
    assert {row.note for row in found} == {"too few layers for an interval"}


def test_every_step_in_sparsity_has_to_widen_the_spread(reference):
    def at(sparsity, amount):
        probability = dense_probability()
        lonely = probability[:, :4]
        lonely[:, ::2] += amount  # every second neuron becomes agnostic by degrees
        return activations(cell("sparsegpt", sparsity, "de"), probability)

    wider = [reference.dense, at("0.3", 0.02), at("0.5", 0.06), at("0.7", 0.3)]
    [claim] = of_sweep(reference, wider)
    assert claim.verdict == "held" and "at 30%" in claim.what and "dense on other texts" in claim.what
    [claim] = of_sweep(
        reference, [wider[0], wider[1], wider[3], activations(cell("sparsegpt", "0.8", "de"), dense_probability())]
    )
    assert claim.verdict == "not held"
    assert of_sweep(reference, [reference.dense, at("2:4", 0.1)]) == []


def test_the_section_tests_each_method_at_every_sparsity_and_the_dense_model_once(study):
    found = claims.section_5_3(*study)
    assert found[found["method"] == "dense"]["claim"].value_counts().to_dict() == {claims.STRONG: 4, claims.RARE: 2}
    counts = found[found["claim"] == claims.RISES].groupby("method")["sparsity"].apply(list)
    assert counts.to_dict() == {"sparsegpt": ["30%", "50%", "70%"], "wanda": ["30%", "50%", "70%"]}
    assert list(dict.fromkeys(found["claim"])) == list(claims.ORDER)
    shown = readable(found[found["claim"] == claims.LOSES])
    assert {"result", "95% interval", "languages", "verdict"} <= set(shown.columns) and set(shown["languages"]) == {16}


def test_over_all_calibrations_verdicts_are_counted(study):
    found = claims.every_calibration(*study)
    table = summary(found)
    assert (table[["held", "not held", "undecided"]].sum(axis=1) == 7).all()
    assert len(table) == 2 * 11  # 11 claims and measures for each of two methods
    line = table[(table["measured as"] == "activation probability") & (table["method"] == "Wanda")].iloc[0]
    rows = found[(found["metric"] == "activation probability") & (found["method"] == "wanda")]
    assert line["highest"].startswith(rows.loc[rows["statistic"].idxmax(), "calibration"])
    unknown = summary(found.assign(statistic=np.nan))
    assert len(unknown) == len(table) and set(unknown["highest"]) == set(unknown["lowest"]) == {"–"}
    assert summary(found.head(0)).empty


def test_every_table_is_kept_and_needs_no_neurons(study, tmp_path):
    store, cells = study
    shown = neurons.swept(cells, "tiny", "wanda")

    def everything(place):
        sections = [claims.section_5_3(place, cells), claims.every_calibration(place, cells)]
        groups = grouped.grouped(place, shown)
        return [*sections, neuron_survival.kept(place, cells), grouped.never_active(groups)], figure_3(groups, "de").alt

    frames, alt = everything(store)
    shelf = shelf_without_arrays(store.root, tmp_path / "shelf")
    own = Store(tmp_path / "own", open_shelves([shelf]))
    again, same_alt = everything(own)
    for frame, same in zip(frames, again, strict=True):
        pd.testing.assert_frame_equal(frame, same)
    assert alt == same_alt and not (tmp_path / "own").exists()
    with pytest.raises(StoreError, match="without 'neurons'"):
        grouped.grouped(own, shown[:2])


def test_a_verdict_follows_the_rule_of_today_and_not_of_the_table(study, monkeypatch):
    store, cells = study
    before = claims.section_5_3(store, cells)
    assert set(before[before["claim"] == claims.KEEPS]["verdict"]) == {"held"}
    monkeypatch.setattr(claims, "MARGIN", -1)  # which no change lies within
    after = claims.section_5_3(store, cells)
    assert set(after[after["claim"] == claims.KEEPS]["verdict"]) == {"not held"}
    pd.testing.assert_frame_equal(before.drop(columns=["verdict"]), after.drop(columns=["verdict"]))


# ---- survival


def test_survival_is_what_sets_of_neurons_say(study):
    store, cells = study
    kept = neuron_survival.kept(store, cells)

    def selected(probability, k):
        return set(np.flatnonzero(language_specific(probability)[..., k].numpy().ravel()))

    row = kept[(kept["method"] == "wanda") & (kept["calibration"] == "ru") & (kept["language"] == "zh")].iloc[0]
    before, after = (
        selected(probability, SEVEN.index("zh")) for probability in (dense_probability(), pruned_for("ru"))
    )
    assert row["neurons"] == len(before) and row["survival"] == pytest.approx(
        100 * len(before & after) / len(before), nan_ok=True
    )
    change = (pruned_for("ru") - dense_probability())[..., SEVEN.index("zh")].abs().mean()
    assert row["change"] == pytest.approx(100 * change)
    assert neuron_survival.specific_neurons(kept).iloc[0]["zh"] == len(before)
    assert set(kept["calibration"]) == {"", *SEVEN} and set(kept["sparsity"]) == {0, 0.5}


def test_the_language_whose_probabilities_stay_is_found(study):
    found = neuron_survival.kept_claims(neuron_survival.kept(*study))
    stays = found[found["claim"] == neuron_survival.STAYS]
    assert list(stays["verdict"]) == ["held", "held"] and (stays["p"] <= 0.001).all()
    assert (
        stays["statistic"].between(-91, -89).all()
        and (stays["low"] <= stays["statistic"]).all()
        and (stays["statistic"] <= stays["high"]).all()
    )
    assert readable(stays)["result"].str.fullmatch(r"90\.\d% less|89\.\d% less").all()


def test_languages_without_neurons_are_no_error(study):
    store, cells = study
    kept = neuron_survival.kept(store, cells)
    kept.loc[kept["language"] == "ar", "survival"] = np.nan
    survives = neuron_survival.kept_claims(kept).query("claim == @neuron_survival.SURVIVES")
    assert (survives["n"] == 6).all()
    kept["survival"] = np.nan
    assert set(neuron_survival.kept_claims(kept).query("claim == @neuron_survival.SURVIVES")["verdict"]) == {
        "undecided"
    }
    assert "not measured" in kept_table(kept, "survival").html


def test_two_languages_are_undecided(tmp_path):
    store, languages = Store(tmp_path), ("de", "sw")
    cells = [keep(store, activations(cell(languages=languages), dense_probability(languages)))]
    for language in languages:
        moved = dense_probability(languages) * 0.9
        cells.append(keep(store, activations(cell("sparsegpt", "0.5", language, languages=languages), moved)))
    assert set(neuron_survival.kept_claims(neuron_survival.kept(store, cells))["verdict"]) == {"undecided"}
    assert len(claims.section_5_3(store, cells)) > 10


def test_tables_mark_the_best_calibration_and_shade_only_what_was_pruned(study):
    kept = neuron_survival.kept(*study)
    soup = BeautifulSoup(kept_table(kept, "change").html, "html.parser")
    lines = soup.find_all("tr")[1:]
    assert len(lines) == 1 + 2 * 7
    assert "other texts" in lines[0].text and not lines[0].find_all("td", style=True)
    for line, language in zip(lines[1:], 2 * SEVEN, strict=True):
        starred = [place for place, td in enumerate(line.find_all("td")) if "★" in td.text]
        assert starred == [SEVEN.index(language)]
        assert len(line.find_all("td", style=True)) == 7


# ---- figures


def test_figure_3_has_a_panel_a_sparsity_with_the_same_neurons_in_each(study):
    store, cells = study
    models = [neurons.read(store, found) for found in neurons.swept(cells, "tiny", "sparsegpt")]
    picture = figure_3(in_groups(*models), "de")
    axes = [axis for part in picture.figure.subfigs for axis in part.axes]
    assert [axis.get_title() for axis in axes[:4]] == ["dense", "30% pruned", "50% pruned", "70% pruned"]
    group = neurons.groups(models[0])[2]
    for axis, model in zip(axes[1:4], models[1:], strict=True):
        medians = [
            line.get_ydata()[0]
            for line in axis.lines
            if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
        ]
        assert np.nanmedian(model.entropy[group]) in medians
    line = axes[4].lines[3]
    assert line.get_ydata()[2] == pytest.approx(models[3].often("de")[group].mean())
    assert "70% pruned: median LAPE" in picture.alt and "another text, simulated" in picture.alt


@pytest.mark.parametrize("languages", [("de", "sw"), SEVEN])
def test_appendix_g_draws_every_language(languages):
    dense = activations(cell(languages=languages), dense_probability(languages))
    pruned = activations(cell("wanda", "2:4", "de", languages=languages), dense_probability(languages) * 0.8)
    picture = appendix_g(*in_groups(dense, pruned))
    titles = [axis.get_title() for axis in picture.figure.subfigs[1].axes]
    assert titles[: len(languages)] == [f"in {language.upper()}" for language in languages]
    assert "2:4 pruned" in picture.alt
    assert len(picture._repr_html_()) < 400_000


def test_appendix_g_of_many_languages_is_a_map_of_the_pruned_over_the_dense_model():
    languages = tuple(fixed_order()[:20])
    probability = dense_probability(languages)
    strength = torch.ones_like(probability)
    pruned = activations(cell("wanda", "0.5", "de", languages=languages), probability / 2, 2 * strength)
    dense = activations(cell(languages=languages), probability, strength)
    figure = appendix_g(*in_groups(dense, pruned)).figure
    often, output = figure.subfigs[1].axes[:2]
    assert [label.get_text() for label in often.get_yticklabels()] == [code.upper() for code in languages]
    for axis, expected in ((often, -1), (output, 1)):
        (cells,) = axis.collections
        values = np.ma.compressed(cells.get_array())
        assert len(values) and np.allclose(values, expected)


def test_without_a_common_language_survival_is_undecided_and_says_why(study):
    store, cells = study
    found = neuron_survival.kept(store, cells)
    apart = found[(found["calibration"] == "de") & (found["language"] != "de")]
    tested = neuron_survival.kept_claims(apart)
    assert len(tested) and set(tested["what"]) == {NO_TARGET} and set(tested["verdict"]) == {"undecided"}


def test_groups_that_fell_silent_can_be_drawn(dense):
    probability = dense_probability()
    probability.view(-1, 7)[neurons.groups(dense)[0]] = 0
    pruned = activations(cell("sparsegpt", "0.5", "xx"), probability)
    assert neurons.lead_language(pruned) == "ar"
    picture = figure_3(in_groups(dense, pruned), "ar")
    assert "median LAPE – to" in picture.alt
    draw(picture)
    draw(appendix_g(*in_groups(dense, pruned)))
    reference = Reference(dense)
    rise = next(row for row in of_pruned(reference, pruned) if row.claim == claims.RISES)
    assert (rise.verdict, rise.note) == ("undecided", "nothing to count")
