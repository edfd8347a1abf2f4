"""Which calibration serves a language best: the ranking, what is called clear, and what the page says."""

import numpy as np
import pandas as pd
import pytest
from frames import SEVEN, record, tidy
from task_items import parsed

from calibbook.s04_1_pruning_results.choice import (
    apart,
    best_table,
    heading,
    ranking,
    ranking_table,
    serving,
)


def measured(perplexities, language="pt", error=1.0, seed=0, source="chromium"):
    """Records of one language: the dense model at 50, and a perplexity for each calibration."""
    rows = [record("m", "dense", 0.0, "dense", "", 0, "perplexity", source, language, 50.0)]
    for text, value in perplexities.items():
        row = record("m", "wanda", 0.5, "unstructured", text, seed, "perplexity", source, language, value)
        rows.append(row | {"stderr": error})
    return pd.DataFrame(rows).astype({"layer": "Int64"})


def test_mixtures_with_other_languages_are_no_answer():
    frame = measured({"en": 120.0, "pt": 80.0, "es": 100.0, "en+es": 90.0, "de+sw": 70.0})
    assert list(ranking(frame)["calibration"]) == ["de+sw", "pt", "en+es", "es", "en"]
    assert list(ranking(frame, ["pt", "es", "en"])["calibration"]) == ["pt", "en+es", "es", "en"]
    assert list(ranking(frame, ["pt", "es"])["calibration"]) == ["pt", "es"]
    assert ranking(frame[:0], ["pt"]).empty


def test_calibrations_are_ranked_by_perplexity_over_the_dense_model():
    found = ranking(measured({"en": 120.0, "pt": 80.0, "es": 100.0, "en+es": 90.0}))
    assert found["calibration"].tolist() == ["pt", "en+es", "es", "en"] and found["rank"].tolist() == [1, 2, 3, 4]
    assert found["ratio"].tolist() == pytest.approx([1.6, 1.8, 2.0, 2.4])
    assert found["error"].tolist() == pytest.approx([1 / 50] * 4)
    assert found["behind"].tolist() == pytest.approx([0, 0.125, 0.25, 0.5])


def test_the_interval_is_the_normal_one_of_the_log_ratio():
    found = ranking(measured({"pt": 80.0, "es": 100.0}))
    half = 1.959964 * np.hypot(1 / 80, 1 / 100)
    assert found.loc[1, ["low", "high"]].tolist() == pytest.approx([1.25 * np.exp(-half) - 1, 1.25 * np.exp(half) - 1])
    assert found.loc[0, ["low", "high"]].isna().all()


def test_draws_that_scatter_make_the_difference_uncertain():
    draws = [measured({"pt": pt, "es": 100.0}, seed=seed) for seed, pt in enumerate((60.0, 80.0, 100.0))]
    frame = pd.concat([draws[0], *(draw[draw["method"] != "dense"] for draw in draws[1:])])
    found = ranking(frame)
    assert found.loc[0, "error"] == pytest.approx(np.sqrt(1 + 400 / 3) / 50)
    assert found.loc[1, "low"] < 0 < found.loc[1, "high"]


@pytest.mark.parametrize(
    ("second", "error", "words"), [(100.0, 1.0, "clearly better (95%"), (81.0, 1.0, "not clearly better (95%")]
)
def test_a_sentence_names_the_best_and_says_whether_that_is_clear(second, error, words):
    said = serving(ranking(measured({"pt": 80.0, "es": second}, error=error)))
    assert "**Portuguese (PT) is served best by PT**, with 1.60 ± 0.02 times the dense model's perplexity" in said
    assert "The second, ES, has" in said and f": {words}" in said


def test_an_error_is_never_shown_as_zero():
    assert "1.60 ± <0.01 times" in serving(ranking(measured({"pt": 80.0, "es": 100.0}, error=0.01)))


def test_one_window_has_no_error_and_one_calibration_no_second():
    assert "one window does not tell" in serving(ranking(measured({"pt": 80.0, "es": 100.0}, error=np.nan)))
    assert "nothing else was calibrated in" in serving(ranking(measured({"es": 100.0})))


def test_of_many_languages_it_is_counted_what_serves_them():
    said = serving(ranking(tidy(methods=("wanda",), sources=("udhr",))))
    assert said.count("\n") == 0 and "of 7 that a calibration serves best: " in said and "AR 1" in said
    assert said.endswith("clearly better than the second in 7.")


def test_the_table_has_a_line_a_language_and_marks_what_is_clear():
    frame = pd.concat([measured({"pt": 80.0, "es": 100.0}), measured({"pt": 80.5, "es": 80.0}, "es")])
    soup = parsed(best_table(ranking(frame), "Best"))
    cells = {row.th.text: row.td.text for row in soup.select("tbody tr")}
    assert cells == {"ES": "ES 1.60 ± 0.02then PT, 0.625% more", "PT": "PT 1.60 ± 0.02 ✓then ES, 25.0% more"}


def test_every_calibration_is_listed_as_text():
    table = ranking_table(ranking(measured({"pt": 80.0, "es": 100.0})))
    assert table["more than the best"].tolist()[0] == "–" and table["more than the best"].tolist()[1].startswith(
        "25.0% ("
    )
    assert table["calibration"].tolist() == ["PT", "ES"] and set(table["evaluation"]) == {"Portuguese (PT)"}


def test_without_perplexities_there_is_nothing_to_rank():
    frame = tidy()
    assert ranking(frame[frame["metric"] != "perplexity"]).empty
    assert ranking(tidy(methods=("magnitude",))).empty


def test_the_question_is_asked_where_languages_differ():
    assert apart(["pt", "es"], ["pt"]) and apart(["pt"], ["vi"]) and not apart(["pt", "es"], ["es", "pt"])
    assert heading(["pt"]) == "## Which calibration serves Portuguese (PT) best"
    assert heading(SEVEN) == "## Which calibration serves these 7 languages best"
