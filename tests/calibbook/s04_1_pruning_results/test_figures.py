"""Figures: what is drawn, and what is said about it, come from the same numbers."""

import re
from itertools import pairwise

import pytest
from drawing import draw
from frames import LAYERS, MEASURED, SEVEN, tidy, with_value

from calibbook.s04_1_pruning_results.data import by_layer, layer_means
from calibbook.s04_1_pruning_results.figures import fidelity_heatmap, layer_curves
from calibbook.shared.colours import colours
from calibbook.shared.frames import summarize
from calibbook.shared.languages import fixed_order
from calibprune.errors import ParameterError


def panel_texts(axis) -> dict[tuple[int, int], str]:
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axis.texts}


def test_one_panel_a_method_with_values_and_stars_where_the_best_are():
    frame = with_value(tidy(), 1.5, method="wanda", calibration="ru", language="zh", metric="perplexity")
    figure = fidelity_heatmap(frame, "perplexity", "chromium").figure
    assert [axis.get_title() for axis in figure.axes] == ["gemma3-270m, Wanda, 50%", "gemma3-270m, SparseGPT, 50%"]
    texts = panel_texts(figure.axes[0])
    assert len(texts) == 49
    starred = {place for place, text in texts.items() if "★" in text}
    zh, ru = SEVEN.index("zh"), SEVEN.index("ru")
    assert starred == {(i, i) for i in range(7)} - {(zh, zh)} | {(ru, zh)}
    assert texts[ru, zh] == "1.5 ★"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [code.upper() for code in SEVEN]


def test_a_mixture_that_is_better_has_a_mark_of_its_own_and_is_named():
    frame = with_value(tidy(mixtures=("ar+en",)), 1.5, method="wanda", calibration="ar+en", metric="perplexity")
    picture = fidelity_heatmap(frame, "perplexity", "chromium")
    texts = panel_texts(picture.figure.axes[0])
    assert {place for place, text in texts.items() if "★" in text} == {(i, i) for i in range(7)}
    assert {place for place, text in texts.items() if "◆" in text} == {(7, i) for i in range(7)}
    assert "A mixture is better than every single language for ar by ar+en (1.5)" in picture.alt
    assert "◆" in picture.figure.get_suptitle()


def test_cells_have_the_shades_of_the_tables():
    from matplotlib.colors import to_hex

    axis = fidelity_heatmap(tidy(), "snr_db", "chromium").figure.axes[0]
    summary = summarize(tidy(), "snr_db", "chromium").query("method == 'wanda'")
    (cells,) = axis.collections
    cells.update_scalarmappable()
    drawn = zip(map(to_hex, cells.get_facecolors()), (to_hex(text.get_color()) for text in axis.texts), strict=True)
    assert list(drawn) == [colours(place) for place in summary.shade]


@pytest.mark.parametrize(
    "options",
    [
        {"methods": ("magnitude",)},
        {"methods": ("magnitude", "wanda"), "mixtures": ("ar+en", "+".join(SEVEN))},
        {"languages": ("de",)},
        {"models": ("a", "b"), "sparsity": ((0.5, "unstructured"), (0.5, "2:4"))},
        {"methods": ("coin_toss", "wanda"), "languages": ("de", "xx")},
        {"seeds": (0, 1, 2), "sources": ("chromium",)},
    ],
)
@pytest.mark.parametrize("metric", MEASURED)
def test_every_kind_of_study_can_be_drawn(metric, options):
    frame = tidy(**options)
    picture = fidelity_heatmap(frame, metric, "chromium")
    pruned = frame[frame.method != "dense"]
    assert len(picture.figure.axes) == len(pruned[["model", "method", "sparsity", "pattern"]].drop_duplicates())
    assert picture.alt.startswith("Heatmap")
    draw(picture)


def test_a_cell_that_was_not_measured_is_a_dash_without_a_star():
    frame = tidy(languages=("ar", "de"), methods=("wanda",))
    gone = (frame.calibration == "ar") & (frame.language == "de") & (frame.metric == "snr_db")
    figure = fidelity_heatmap(frame[~gone], "snr_db", "chromium").figure
    assert panel_texts(figure.axes[0])[0, 1] == "–"


def test_dense_model_alone_is_refused():
    frame = tidy()
    with pytest.raises(ParameterError, match="no pruned model"):
        fidelity_heatmap(frame[frame.method == "dense"], "perplexity", "chromium")


def test_alternative_text_names_the_best_language_of_every_column_and_counts_the_diagonal():
    frame = with_value(tidy(), 1.5, method="wanda", calibration="ru", language="zh", metric="perplexity")
    text = fidelity_heatmap(frame, "perplexity", "chromium").alt
    wanda, sparsegpt = re.search(r"Wanda, 50%: (.*?columns)\. .*SparseGPT, 50%: (.*?columns)\.", text).groups()
    assert "zh by ru (1.5)" in wanda and "best in 6 of 7 columns" in wanda
    assert "zh by zh" in sparsegpt and "best in 7 of 7 columns" in sparsegpt
    assert text.startswith("Heatmap of perplexity on chromium")


def test_layer_means_separate_the_target_language_from_the_others():
    frame = tidy(mixtures=("ar+en",))
    means = layer_means(by_layer(frame, "snr_db", "udhr"))
    assert len(means) == 2 * 2 * LAYERS and set(means.group) == {"target", "other"}
    raw = frame[(frame.metric == "snr_db") & (frame.source == "udhr") & (frame.layer == 2) & (frame.method == "wanda")]
    same = raw[raw.calibration == raw.language].value
    different = raw[(raw.calibration != raw.language) & ~raw.calibration.str.contains("+", regex=False)].value
    picked = means[(means.method == "wanda") & (means.layer == 2)].set_index("group")
    assert picked.loc["target", ["mean", "low", "high"]].tolist() == pytest.approx(
        [same.mean(), same.min(), same.max()]
    )
    assert picked.loc["other", "mean"] == pytest.approx(different.mean())


def test_layer_curves_draw_those_means_in_layer_order():
    frame = tidy().sample(frac=1, random_state=1)
    picture = layer_curves(frame, "snr_db", "chromium")
    assert len(picture.figure.axes) == 2
    means = layer_means(by_layer(frame, "snr_db", "chromium")).query("method == 'wanda'").groupby("group", sort=False)
    axis = picture.figure.axes[0]
    target, other = [line for line in axis.lines if len(line.get_xdata())]
    for line, band, name in zip((target, other), axis.collections, ("target", "other"), strict=True):
        curve = means.get_group(name)
        assert list(line.get_xdata()) == list(range(LAYERS))
        assert line.get_ydata() == pytest.approx(curve["mean"].tolist())
        edges = band.get_paths()[0].get_extents()
        assert (edges.ymin, edges.ymax) == pytest.approx((curve["low"].min(), curve["high"].max()))
    (legend,) = picture.figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["calibrated in the target language", "calibrated in another language"]
    assert f"to {means.get_group('target')['mean'].iloc[-1]:.2f} at layer {LAYERS - 1}" in picture.alt


def test_layers_that_were_not_measured_are_refused():
    frame = tidy()
    with pytest.raises(ParameterError, match="no snr_db by layer on 'chromium'"):
        layer_curves(frame[frame.layer.isna()], "snr_db", "chromium")


@pytest.mark.parametrize("number", [2, 7, 20, 49])
def test_labels_have_room_whatever_the_number_of_languages(number):
    codes = tuple(fixed_order()[:number])
    frame = tidy(languages=codes, methods=("wanda",), mixtures=("+".join(codes),), sources=("chromium",))
    figure = fidelity_heatmap(frame, "perplexity", "chromium").figure
    figure.draw_without_rendering()
    (axis,) = figure.axes
    for labels, side in ((axis.get_xticklabels(), "x"), (axis.get_yticklabels(), "y")):
        ends = sorted((getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in map(extent, labels))
        assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    written = [text.get_text() for text in axis.texts]
    assert sum("★" in text for text in written) == number and (len(written) > number) == (number <= 7)


def extent(label):
    return label.get_window_extent()


def test_the_target_is_counted_among_the_columns_that_were_calibrated_in():
    frame = tidy(languages=(*SEVEN, "vi"), methods=("wanda",))
    frame = frame[frame["calibration"] != "vi"]
    assert "best in 7 of 7 columns" in fidelity_heatmap(frame, "perplexity", "chromium").alt
    only = fidelity_heatmap(frame[frame["language"] == "vi"], "perplexity", "chromium").alt
    assert "best for vi by" in only and "the target language" not in only
