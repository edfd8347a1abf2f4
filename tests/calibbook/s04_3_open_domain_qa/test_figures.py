"""The picture of what pruning costs beside what the target language gains: its numbers are computed otherwise."""

import numpy as np
import pytest
from scipy.stats import norm
from task_items import item_scores

from calibbook.s04_2_downstream_tasks.data import Column
from calibbook.s04_3_open_domain_qa.changes import pruning_changes
from calibbook.s04_3_open_domain_qa.claims import knowledge_is_lost, lost_in_english
from calibbook.s04_3_open_domain_qa.figures import COST, GAIN, cost_pictures
from calibbook.shared.dots import MEAN

THREE = ("de", "en", "sw")


def facts(languages=THREE, **settings):
    return item_scores(languages, tasks=("facts",), generated=True, **{"items": 300} | settings)


def column(method, code):
    settings = (0.0, "dense") if method == "dense" else (0.5, "unstructured")
    return Column("gemma3-270m", method, *settings, "facts", code, "f1")


def marks(axis, series: str) -> tuple[list[float], list[tuple[float, float]]]:
    (bars,) = [found for found in axis.containers if found.get_label() == series]
    line, _, (drawn,) = bars
    return list(line.get_xdata()), [tuple(segment[:, 0]) for segment in drawn.get_segments()]


def titles(picture) -> list[str]:
    return [axis.get_title().replace("\n", " ") for axis in picture.figure.axes]


def test_costs_and_gains_stand_on_one_scale():
    scores = facts(mixtures=("de+en",))
    (picture,) = cost_pictures(scores)
    cost, gain = picture.figure.axes
    assert titles(picture) == [
        f"facts: {COST}, intervals over questions and pruned models",
        f"facts: {GAIN}, intervals over questions",
    ]
    assert cost.get_xlim() == gain.get_xlim()
    for method, name in (("wanda", "Wanda"), ("sparsegpt", "SparseGPT")):
        costs, gains = [], []
        for code in THREE:
            means = {text: 100 * table.astype(float).mean() for text, table in scores[column(method, code)].items()}
            dense = 100 * scores[column("dense", code)][""].astype(float).mean()
            costs.append(np.mean([means[text] for text in THREE]) - dense)
            gains.append(means[code] - np.mean([means[text] for text in THREE if text != code]))
        np.testing.assert_allclose(marks(cost, name)[0], [*costs, np.mean(costs)], atol=1e-4)
        np.testing.assert_allclose(marks(gain, name)[0], [*gains, np.mean(gains)], atol=1e-4)
        assert f"German {costs[0]:+.1f} (".replace("-", "−") in picture.alt
        assert f"Swahili {gains[2]:+.1f} (".replace("-", "−") in picture.alt


def test_costs_have_the_intervals_of_the_claims():
    scores = facts(methods=("wanda",), seeds=2)
    rows = pruning_changes(scores).set_index("language")
    (english,), (every,) = lost_in_english(scores), knowledge_is_lost(scores)
    for code, claim in (("en", english), (MEAN, every)):
        expected = -claim.statistic, -claim.high, -claim.low
        found = tuple(rows.loc[code, ["value", "low", "high"]])
        assert found == pytest.approx(expected, abs=1e-4)
    assert rows.loc["en", "models"] == 6 and rows.loc["en", "n"] == 300


def test_a_method_without_calibration_has_its_cost_and_no_gain():
    scores = facts(methods=("magnitude",))
    (picture,) = cost_pictures(scores)
    assert titles(picture) == [f"facts: {COST}, intervals over questions"]
    change = (scores[column("magnitude", "de")][""] - scores[column("dense", "de")][""]).astype(float)[0]
    places, bars = marks(picture.figure.axes[0], "Magnitude")
    error = norm.isf(0.025) * 100 * change.std(ddof=1) / np.sqrt(300)
    assert places[0] == pytest.approx(100 * change.mean(), abs=1e-4)
    assert bars[0] == pytest.approx((places[0] - error, places[0] + error), abs=0.1 * error)
    assert pruning_changes(scores).query("language == @MEAN")["low"].isna().all()  # one model knows no spread


def test_one_language_has_its_cost_alone_and_no_mean():
    (picture,) = cost_pictures(facts(("de",)))
    assert titles(picture) == [f"facts: {COST}, intervals over questions"]
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()] == ["German"]
    assert "of the mean" not in picture.alt


def test_without_a_dense_model_there_are_gains_alone():
    scores = {key: by_text for key, by_text in facts().items() if key.method != "dense"}
    assert titles(*cost_pictures(scores)) == [f"facts: {GAIN}, intervals over questions"]


@pytest.mark.parametrize("scores", [{}, facts(methods=(), items=20)], ids=["no task", "dense"])
def test_no_picture_of_nothing(scores):
    assert cost_pictures(scores) == []


def test_every_task_and_setting_has_its_panels_and_one_that_is_mixed_alone_has_none():
    found = item_scores(
        THREE,
        tasks=("facts", "mkqa"),
        sparsity=((0.5, "unstructured"), (0.6, "unstructured")),
        generated=True,
        items=20,
    )
    pictures = cost_pictures(found)
    assert [len(picture.figure.axes) for picture in pictures] == [4, 4]
    assert titles(pictures[0])[2].startswith(f"MKQA: {COST}")
    mixed = facts(mixtures=("de+en",), items=20)
    mixed = {key: {text: by_text[text] for text in by_text if text in ("", "de+en")} for key, by_text in mixed.items()}
    assert cost_pictures(mixed) == []
