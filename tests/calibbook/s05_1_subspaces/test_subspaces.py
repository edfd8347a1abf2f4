"""Section 5.1's page: what its figures draw, what is said about them, and verdicts on records whose truth is known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from drawing import draw
from frames import SEVEN, record
from lsar import feature_changes
from matplotlib.colors import to_hex

from calibbook.s05_1_subspaces import claims as claims
from calibbook.s05_1_subspaces.data import (
    at_rank,
    changes,
    cube,
    figure_1_layers,
    layer_means,
    middle,
    ranks,
    separated,
    that_changed,
    token_changes,
    turned,
    unchanged,
)
from calibbook.s05_1_subspaces.data_ranks import by_rank
from calibbook.s05_1_subspaces.figures import all_layers, figure_1
from calibbook.s05_1_subspaces.figures_curves import layer_curves, rank_curves, turn_curves
from calibbook.shared.claim_tables import readable
from calibbook.shared.languages import NO_TARGET, fixed_order
from calibbook.shared.palette import looks
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES

LAYERS = 6


def moved(
    languages=SEVEN,
    target=0.3,
    target_agnostic=0.0,
    specific=0.2,
    bump=0.0,
    methods=("sparsegpt",),
    seeds=(0,),
    sizes=True,
    ranks=None,
):
    """Records of a study: the target language spares specific features by `target` (log), middle layers by `bump`; a
    little noise.
    """
    noise = np.random.default_rng(0)
    rows = []
    for method in methods:
        for calibration in languages:
            for seed in seeds:
                for layer in range(LAYERS):
                    inside = bump if layer in (2, 3) else 0.0
                    for language in languages:
                        hit = calibration == language
                        agnostic = 10.0 ** (1 + layer) * np.exp(inside - hit * target_agnostic + noise.normal(0, 0.01))
                        found = {"total": (1.1 * agnostic, 3 * 10.0 ** (1 + layer), "")}
                        for rank in ranks or range(1, len(languages)):
                            value = (
                                specific
                                * rank
                                * 10.0 ** (1 + layer)
                                * np.exp(-inside - hit * target + noise.normal(0, 0.03))
                            )
                            found[f"agnostic{rank}"] = (agnostic, 2 * 10.0 ** (1 + layer), f"rank {rank}")
                            found[f"specific{rank}"] = (value, 0.5 * 10.0 ** (1 + layer), f"rank {rank}")
                        for part, (change, size, component) in found.items():
                            for kind, value in (("delta", change), ("size", size))[: 1 + sizes]:
                                line = record(
                                    "gemma3-270m",
                                    method,
                                    0.5,
                                    "unstructured",
                                    calibration,
                                    seed,
                                    "",
                                    "chromium",
                                    language,
                                    value,
                                    layer,
                                )
                                rows.append(
                                    line
                                    | {"metric": f"{kind}_{part.strip('0123456789')}", "component": component, "n": 200}
                                )
    return pd.DataFrame(rows).astype({"layer": "Int64"})


def fidelity_rows(languages=("de", "sw"), calibrations=("de", "sw", "de+sw")):
    lines = [
        record(
            "m",
            "wanda",
            0.5,
            "unstructured",
            calibration,
            0,
            "snr_db",
            source,
            language,
            20.0 if language == calibration else 6.0,
            layer,
        )
        for source in ("udhr", "chromium")
        for calibration in calibrations
        for language in languages
        for layer in (0, 1, None)
    ]
    return pd.DataFrame(lines).astype({"layer": "Int64"})


def verdicts(frame) -> dict[str, list[str]]:
    tested = claims.section_5_1(frame)
    return {claim: rows["verdict"].tolist() for claim, rows in tested.groupby("claim", sort=False)}


def test_changes_are_means_over_draws_beside_the_dense_size():
    one, two = (changes(moved(("de", "sw"), seeds=seeds)) for seeds in ((0,), (0, 1)))
    assert len(one) == len(two) == LAYERS * 4 * 3
    assert set(two["draws"]) == {2}
    frame = moved(("de", "sw"), seeds=(0, 1))
    row = two[(two.part == "specific") & (two.layer == 2) & (two.calibration == "de") & (two.language == "sw")].iloc[0]
    raw = frame[
        (frame.metric == "delta_specific") & (frame.layer == 2) & (frame.calibration == "de") & (frame.language == "sw")
    ]
    assert row["change"] == pytest.approx(raw["value"].mean())
    assert row["relative"] == pytest.approx(row["change"] / 500)
    assert (row["rank"], row["n"]) == (1, 200)


def test_the_dense_size_is_found_whichever_cell_recorded_it():
    frame = moved(("de", "sw"))
    sizes = frame["metric"].str.startswith("size_")
    dense = (
        frame[sizes]
        .assign(method="dense", sparsity=0.0, pattern="dense", calibration="")
        .drop_duplicates(["metric", "language", "layer", "component"])
    )
    pd.testing.assert_frame_equal(changes(pd.concat([frame[~sizes], dense])), changes(frame))


def test_ranks_are_told_apart_and_the_highest_is_the_default():
    found = changes(moved(SEVEN[:4]))
    assert ranks(found) == [1, 2, 3]
    assert set(at_rank(found)["rank"]) == {0, 3}
    assert set(at_rank(found, 2)["rank"]) == {0, 2}
    with pytest.raises(ParameterError, match="rank 4 was not measured: choose one of 1, 2, 3"):
        at_rank(found, 4)


def test_records_without_subspaces_are_refused_in_one_line():
    with pytest.raises(ParameterError, match="add 'subspace' to the metrics") as caught:
        changes(fidelity_rows())
    assert "\n" not in str(caught.value)


def test_one_language_has_a_total_and_nothing_else():
    frame = moved(("de",))
    assert not separated(frame)
    assert set(at_rank(changes(frame))["part"]) == {"total"}
    assert claims.section_5_1(frame).empty
    assert by_rank(changes(frame)).empty


def test_cube_is_calibration_by_evaluation():
    found = at_rank(changes(moved(("de", "sw"), target=1.0)))
    languages, layers, values = cube(found, "specific")
    assert (languages, layers, values.shape) == (["de", "sw"], list(range(LAYERS)), (LAYERS, 2, 2))
    row = found[
        (found.part == "specific") & (found.layer == 3) & (found.calibration == "sw") & (found.language == "de")
    ]
    assert values[3, 1, 0] == row["change"].item()
    assert (values[:, 0, 0] < values[:, 1, 0]).all()


@pytest.mark.parametrize(
    ("layers", "shown"), [(range(18), [0, 6, 11, 17]), (range(32), [0, 10, 21, 31]), (range(3), [0, 1, 2]), ([5], [5])]
)
def test_figure_1_has_an_early_two_middle_and_the_last_layer(layers, shown):
    assert figure_1_layers(list(layers)) == shown


def test_middle_is_the_middle_third():
    assert np.flatnonzero(middle(list(range(18)))).tolist() == list(range(6, 12))
    assert np.flatnonzero(middle(list(range(4)))).tolist() == [1, 2]
    assert not middle([0, 1]).any()


def test_tokens_of_single_languages_on_the_first_text():
    found = token_changes(fidelity_rows())
    assert set(found["source"]) == {"udhr"} and set(found["calibration"]) == {"de", "sw"}
    own = found["calibration"] == found["language"]
    assert np.allclose(found.loc[own, "relative"], 0.1)
    assert np.allclose(found.loc[~own, "relative"], 10**-0.3)
    assert token_changes(moved(("de",))).empty


def test_figure_1_draws_every_pair_and_a_star_for_the_target():
    rows = at_rank(changes(moved()))
    figure = figure_1(rows).figure
    assert len(figure.axes) == 8
    assert [axis.get_title() for axis in figure.axes[:4]] == [f"agnostic, layer {layer}" for layer in (0, 2, 3, 5)]
    axis = figure.axes[4]
    dots, stars = axis.collections
    assert len(dots.get_offsets()) == 42 and len(stars.get_offsets()) == 7
    _, _, values = cube(rows, "specific")
    colours = [style.colour for style in looks(SEVEN, PAPER_LANGUAGES).values()]
    for (across, height), painted in zip(stars.get_offsets(), stars.get_facecolors(), strict=True):
        assert height == pytest.approx(values[0, round(across), round(across)])
        assert to_hex(painted) == colours[round(across)]
    assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] > values[0].max()


def test_small_multiples_have_a_panel_a_layer_and_grey_for_the_highest():
    figure = all_layers(at_rank(changes(moved(("de", "sw")))), "specific").figure
    greys = [axis.get_facecolor()[0] for axis in figure.axes]
    assert len(greys) == LAYERS and greys == sorted(greys, reverse=True)
    assert greys[0] == 1.0 and greys[-1] == pytest.approx(0.78)


@pytest.mark.parametrize("view", ["change", "relative"])
def test_alternative_text_counts_the_stars(view):
    rows = at_rank(changes(moved()))
    text = figure_1(rows, view).alt
    assert text.count("lowest for the target in 7 of 7 languages") == 4  # specific features, four layers
    assert "SparseGPT, 50%, 200 sentences of chromium a language, rank 6" in text
    assert "least in 42 of 42 cases" in all_layers(rows, "specific", view).alt
    assert "Highest in layer 5." in all_layers(rows, "specific").alt


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"languages": ("de", "sw")},
        {"languages": ("de", "xx", "yy")},
        {"sizes": False, "methods": ("wanda", "sparsegpt")},
        {"seeds": (0, 1)},
    ],
)
def test_every_kind_of_study_can_be_drawn(options):
    found = changes(moved(**options))
    for _, rows in at_rank(found).groupby("method"):
        draw(figure_1(rows))
        draw(all_layers(rows, "total"))
    curves = layer_curves(at_rank(found))
    assert len(curves.figure.axes) == len(options.get("methods", "x")) * (1 if options.get("sizes") is False else 2)
    turns = turn_curves(at_rank(found))
    assert "cancels out" in turns.alt and turns.alt.count("50%: ") == len(options.get("methods", "x"))
    for picture in (curves, turns, rank_curves(by_rank(found))):
        draw(picture)


def test_layer_means_separate_the_target():
    means = layer_means(at_rank(changes(moved(target=np.log(2), target_agnostic=0.0))))
    table = means[means.part == "specific"].pivot(index="layer", columns="group", values="change")
    assert np.allclose(table["other"] / table["target"], 2, rtol=0.1)


def test_a_subspace_that_turns_is_told_from_features_that_move():
    random = np.random.default_rng(0)
    languages, width = ("ar", "de", "sw"), 40
    dense = torch.tensor(
        random.normal(size=(3, 50, width)) * 0.1 + 5 * np.eye(width)[0] + random.normal(size=(3, 1, width))
    )
    moves = {
        "features": dense + torch.tensor(random.normal(size=(3, 1, width)).mean(axis=0) * 0.2),
        "subspace": dense.clone(),
    }
    # languages now differ along what all share
    moves["subspace"][:, :, 0] += torch.tensor([0.5, 0.0, -0.5], dtype=torch.float64)[:, None]
    shares = {}
    for what, pruned in moves.items():
        found = feature_changes(dense, pruned, 2)
        rows = [
            {
                "part": part,
                "calibration": "de",
                "language": language,
                "layer": 0,
                "change": float(value),
                "model": "m",
                "method": "wanda",
            }
            for part in ("agnostic", "specific", "total")
            for language, value in zip(languages, getattr(found, part), strict=True)
        ]
        shares[what] = turned(pd.DataFrame(rows).assign(sparsity=0.5, pattern="unstructured", source="s"))["share"]
    assert np.allclose(shares["features"], 0, atol=0.01)  # everyone moved alike, so the subspace stayed
    assert (shares["subspace"] > 0.5).all()


def test_share_by_rank_is_that_of_squares_and_the_advantage_is_what_was_planted():
    table = by_rank(changes(moved(target=np.log(2), specific=0.1)))
    specific = table[table.part == "specific"].set_index("rank")
    assert np.allclose(specific["advantage"], 50, atol=3)
    assert ((specific["low"] < specific["advantage"]) & (specific["advantage"] < specific["high"])).all()
    values = {
        part: cube(at_rank(changes(moved(target=np.log(2), specific=0.1)), 2), part)[2] ** 2
        for part in ("agnostic", "specific")
    }
    assert specific.loc[2, "share"] == pytest.approx(
        (values["specific"] / (values["specific"] + values["agnostic"])).mean()
    )
    assert np.allclose(table.groupby("rank")["share"].sum(), 1)
    assert specific["share"].is_monotonic_increasing


def test_what_a_random_direction_would_give_is_the_bar_where_the_width_is_known():
    # a fifth of the agnostic change at rank 6
    frame, widths = moved(specific=0.2 / 6, target=0.0), {"gemma3-270m": 640}
    table = by_rank(changes(frame), widths)
    assert np.allclose(table[table.part == "specific"]["chance"], np.arange(1, 7) / 640)
    assert np.allclose(table.groupby("rank")["chance"].sum(), 1)
    known, unknown = rank_curves(table), rank_curves(by_rank(changes(frame), {"other": 9}))
    assert "0.938% by chance" in known.alt and "chance" not in unknown.alt
    assert [len(picture.figure.axes[0].lines) for picture in (known, unknown)] == [2, 1]
    tested = claims.section_5_1(frame, widths).set_index("metric")
    assert tested.loc["magnitude", "statistic"].tolist()[-1] == pytest.approx(5, rel=0.02)
    bar = tested.loc[claims.PER_DIMENSION]
    assert bar["statistic"] == pytest.approx(5 / np.sqrt(634 / 6), rel=0.02) and bar["verdict"] == "not held"


def test_the_papers_picture_is_held():
    found = verdicts(moved(bump=0.5, specific=0.05))
    assert list(found) == [claims.TARGET, claims.TARGET_MORE, claims.FLAT, *claims.MIDDLE.values(), claims.MORE]
    assert {verdict for each in found.values() for verdict in each} == {"held"}


def test_whole_embeddings_are_tested_without_a_subspace():
    frame = moved(target=0.0, target_agnostic=0.3)  # the total follows the agnostic part
    tested = claims.whole_embeddings(frame)
    assert tested["claim"].unique().tolist() == [claims.WHOLE] and set(tested["verdict"]) == {"held"}
    assert tested["statistic"].tolist() == pytest.approx([-26] * 2, abs=1)
    assert set(claims.whole_embeddings(moved(target=0.3))["verdict"]) <= {"undecided", "not held"}
    assert set(claims.whole_embeddings(moved(("de",)))["verdict"]) == {"undecided"}


def test_a_reversed_picture_is_not_held():
    found = verdicts(moved(target=-0.3, target_agnostic=0.4, bump=-0.5, specific=3.0))
    assert found[claims.TARGET] == ["not held", "not held"]
    assert found[claims.TARGET_MORE] == ["not held"]
    assert found[claims.MORE] == ["not held", "not held"]
    assert found[claims.MIDDLE["agnostic"]][1] == found[claims.MIDDLE["specific"]][1] == "not held"


def test_no_effect_of_the_target_is_undecided_or_not_held():
    tested = claims.section_5_1(moved(target=0.0))
    assert (tested[tested.claim == claims.TARGET]["verdict"] != "held").all()


def test_a_language_that_is_good_everywhere_earns_nothing():
    frame = moved(target=0.0)
    frame.loc[(frame["calibration"] == "en") & (frame["metric"] == "delta_specific"), "value"] *= 0.2
    tested = claims.section_5_1(frame)
    assert (tested[tested.claim == claims.TARGET]["verdict"] != "held").all()


@pytest.mark.parametrize("languages", [("de", "sw"), ("de", "en", "sw")])
def test_few_languages_are_undecided_with_a_reason(languages):
    tested = claims.section_5_1(moved(languages))
    assert set(tested["verdict"]) == {"undecided"} and set(tested["note"]) == {"too few languages"}


def test_without_sizes_only_magnitudes_are_tested():
    tested = claims.section_5_1(moved(sizes=False))
    assert set(tested["metric"]) == {
        "mean of all layers",
        "last layer",
        "target against the others",
        "spread over calibration languages",
        "magnitude",
    }


def test_nothing_pruned_is_undecided_without_a_warning(recwarn):
    frame = moved(("ar", "de", "en", "es", "sw"))
    frame.loc[frame["metric"].str.startswith("delta_"), "value"] = 0.0
    assert set(claims.section_5_1(frame)["verdict"]) == {"undecided"}
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_claims_are_read_in_words():
    tested = claims.section_5_1(moved(methods=("wanda", "sparsegpt")))
    table = readable(tested[tested.claim == claims.TARGET])
    assert list(table.columns) == [
        "measured as", "method", "result", "95% interval", "p", "p, corrected", "effect seen 4 times in 5", "languages",
        "verdict",
    ]  # fmt: skip
    assert (
        table["result"].str.fullmatch(r"2\d\.\d% less").all()
        and table["95% interval"].str.fullmatch(r"2\d\.\d to 2\d\.\d% less").all()
    )
    assert table["method"].tolist() == ["Wanda", "Wanda", "SparseGPT", "SparseGPT"]


def test_a_model_that_did_not_change_is_named_and_not_drawn():
    frame = moved(languages=SEVEN[:3], methods=("wanda", "sparsegpt"))
    still = frame["method"] == "wanda"
    frame.loc[still, ["sparsity", "value"]] = 0.0
    assert unchanged(frame) == ["gemma3-270m, Wanda, 0%"] and unchanged(frame[~still]) == []
    assert set(that_changed(changes(frame))["method"]) == {"sparsegpt"}
    assert that_changed(changes(frame[still])).empty


def test_a_rectangle_keeps_all_calibrations_and_the_target_needs_a_common_language():
    frame = moved(languages=("ar", "de", "en", "es", "ru"))
    some = at_rank(changes(frame[frame["calibration"].isin(["ar", "de", "en"]) & ~frame["language"].isin(["ar"])]))
    languages, _, values = cube(some, "specific")
    assert languages == ["de", "en"] and values.shape == (LAYERS, 2, 2)
    languages, _, values = cube(some, "specific", every=True)
    assert languages == ["de", "en", "es", "ru"] and values.shape == (LAYERS, 3, 4) and np.isfinite(values).all()

    apart = frame[frame["calibration"].isin(["ar", "de"]) & frame["language"].isin(["en", "es", "ru"])]
    found = claims.section_5_1(apart)
    own = found[found["claim"].isin([claims.TARGET, claims.TARGET_MORE])]
    assert len(own) == 2 and set(own["what"]) == {NO_TARGET} and set(own["verdict"]) == {"undecided"}
    assert found.loc[found["claim"] == claims.MORE, "n"].eq(3).all()
    table = by_rank(changes(apart))
    assert table["advantage"].isna().all() and table["share"].notna().all()
    picture = figure_1(at_rank(changes(apart)))
    assert "target" not in picture.alt and "changes" not in rank_curves(table).alt
    assert "calibrated in the evaluation language" not in [text.get_text() for text in picture.figure.legends[0].texts]


@pytest.mark.parametrize("number", [20, 49])
def test_labels_of_many_languages_have_room(number):
    rows = at_rank(changes(moved(languages=tuple(fixed_order()[:number]), ranks=(number - 1,))))
    rows = rows[rows["layer"] == 0]
    figure = figure_1(rows).figure
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) == number and all(a.x1 <= b.x0 for a, b in pairwise(boxes))
    assert len(figure.legends[0].get_texts()) == number + 1
