"""The claims: verdicts on frames whose truth is known, and the statistics beneath them."""

import warnings
from math import factorial

import numpy as np
import pandas as pd
import pytest
from frames import MEASURED, SEVEN, tidy, with_value

from calibbook.s04_1_pruning_results import claims
from calibbook.s04_1_pruning_results.claims import no_single_best, section_4_1, target_is_best, target_is_better
from calibbook.s04_1_pruning_results.claims_off_diagonal import exceptions, russian_for_chinese
from calibbook.s04_1_pruning_results.data import squares
from calibbook.shared.claim_tables import NOTHING, readable, verdict_sentence
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.frames import summarize
from calibbook.shared.languages import NO_TARGET


def one(found, method="wanda"):
    picked = [claim for claim in found if claim.method == method]
    assert len(picked) == 1
    return picked[0]


THREE = (0, 1, 2)  # draws


def without_diagonal(winner: str):
    """Every column is won by one calibration language, by a wide margin."""
    frame = tidy(gain=0.0, seeds=THREE)
    for metric in MEASURED:
        frame = with_value(frame, 100.0 if metric == "snr_db" else 1e-6, calibration=winner, metric=metric)
    return frame


@pytest.mark.parametrize("metric", MEASURED)
def test_a_full_diagonal_is_held(metric):
    claim = one(target_is_best(squares(tidy(), metric, "chromium")))
    assert (claim.verdict, claim.what, claim.n) == ("held", "7 of 7 columns", 7)
    assert claim.p == pytest.approx(1 / factorial(7))
    assert (claim.low, claim.high) == (pytest.approx(100 * 0.025 ** (1 / 7)), 100.0)
    assert one(target_is_better(squares(tidy(), metric, "chromium"))).verdict == "held"
    single = one(no_single_best(squares(tidy(seeds=THREE), metric, "chromium", every=True)))
    assert single.verdict == "held" and single.seen.endswith("dB" if metric == "snr_db" else "%")


@pytest.mark.parametrize("metric", MEASURED)
def test_one_language_that_is_best_everywhere(metric):
    """One of seven columns does not refute a majority: its interval reaches to 58%."""
    frame = without_diagonal("sw")
    claim = one(target_is_best(squares(frame, metric, "chromium")))
    assert (claim.verdict, claim.what, claim.p) == ("undecided", "1 of 7 columns", 1.0)
    single = one(no_single_best(squares(frame, metric, "chromium", every=True)))
    assert (single.verdict, single.statistic, single.note) == ("not held", 100.0, "sw is best everywhere")


def test_a_reversed_diagonal_is_not_held():
    frame = tidy(gain=-0.5)
    assert one(target_is_best(squares(frame, "snr_db", "udhr"))).what == "0 of 7 columns"
    better = one(target_is_better(squares(frame, "snr_db", "udhr")))
    assert better.verdict == "not held" and better.high < 0


@pytest.mark.parametrize("metric", MEASURED)
def test_two_languages_are_too_few(metric):
    frame = tidy(languages=("de", "sw"))
    verdicts = {
        claim.verdict
        for test in (target_is_best, target_is_better, no_single_best)
        for claim in test(squares(frame, metric, "udhr"))
    }
    assert verdicts == {"undecided"}


def test_mixtures_magnitude_and_foreign_columns_take_no_part():
    frame = tidy(methods=("magnitude", "wanda"), mixtures=("ar+en", "+".join(SEVEN)))
    for metric in MEASURED:
        frame = with_value(frame, 100.0 if metric == "snr_db" else 1e-6, calibration="ar+en", metric=metric)
    found = target_is_best(squares(frame, "perplexity", "chromium"))
    assert [claim.method for claim in found] == ["wanda"] and found[0].what == "7 of 7 columns"
    fewer = frame[(frame.calibration != "zh")]
    assert one(target_is_best(squares(fewer, "perplexity", "chromium"))).n == 6
    assert section_4_1(tidy(methods=("magnitude",))).empty
    assert verdict_sentence(section_4_1(tidy(methods=("magnitude",)))) == NOTHING


def test_advantage_is_the_fall_of_perplexity_in_percent():
    five = ("ar", "de", "en", "es", "ru")
    frame = tidy(languages=five, methods=("wanda",))
    for calibration in five:
        for language in five:
            frame = with_value(
                frame,
                60.0 if calibration == language else 80.0,
                calibration=calibration,
                language=language,
                metric="perplexity",
            )
    claim = one(target_is_better(squares(frame, "perplexity", "chromium")))
    assert [claim.statistic, claim.low, claim.high] == pytest.approx([25.0] * 3)


def test_languages_that_a_model_is_measured_in_are_no_further_draws():
    ((_, means, noise),) = squares(tidy(methods=("wanda",), seeds=(0, 1, 2)), "perplexity", "chromium")
    assert means.shape == (7, 7) and noise.freedom == 7 * (3 - 1)


def test_a_lead_within_the_spread_of_draws_leaves_the_single_best_undecided():
    frame = without_diagonal("sw")
    close = with_value(frame, 0.9999e-6, metric="perplexity", calibration="de", language="de")
    clear = with_value(frame, 0.5e-6, metric="perplexity", calibration="de", language="de")
    claim = one(no_single_best(squares(close, "perplexity", "chromium", every=True)))
    assert (claim.verdict, claim.note, claim.what) == (
        "undecided",
        "within the spread of draws: sw",
        "none wins more than 6 of 7 (sw)",
    )
    assert one(no_single_best(squares(clear, "perplexity", "chromium", every=True))).verdict == "held"


def test_the_spread_of_draws_counts_as_uncertainty():
    once = without_diagonal("sw")[lambda frame: frame["seed"] == 0]
    lead = with_value(once, 150.0, metric="snr_db", calibration="de", language="de")
    unknown = one(no_single_best(squares(lead, "snr_db", "chromium", every=True)))
    assert (unknown.verdict, unknown.note) == ("undecided", ONE_DRAW)
    spread = tidy(gain=0.0, seeds=(0, 1))
    for seed, found in ((0, 60.0), (1, 140.0)):
        spread = with_value(spread, found, metric="snr_db", calibration="sw", seed=seed)
        spread = with_value(spread, found + 1, metric="snr_db", calibration="de", language="de", seed=seed)
    assert one(no_single_best(squares(spread, "snr_db", "chromium", every=True))).verdict == "undecided"


@pytest.mark.parametrize(("russian", "verdict"), [(50.0, "held"), (99.5, "undecided"), (200.0, "not held")])
def test_the_exception_the_paper_names(russian, verdict):
    frame = with_value(tidy(seeds=THREE), 100.0, calibration="zh", language="zh", metric="perplexity")
    frame = with_value(frame, russian, calibration="ru", language="zh", metric="perplexity")
    claim = one(russian_for_chinese(frame, "chromium"))
    assert claim.verdict == verdict and claim.statistic == pytest.approx(100 - russian)
    assert claim.low < claim.statistic < claim.high
    assert russian_for_chinese(tidy(languages=("de", "sw")), "chromium") == []


def test_exceptions_are_listed_with_their_margins():
    assert exceptions(tidy()).empty
    diagonal = (
        summarize(tidy(), "perplexity", "chromium")
        .query("method == 'wanda' and calibration == 'zh' and language == 'zh'")["mean"]
        .iloc[0]
    )
    perplexity = {"method": "wanda", "metric": "perplexity", "source": "chromium"}
    frame = with_value(tidy(), diagonal / 1.25, **perplexity, calibration="ru", language="zh")
    frame = with_value(frame, diagonal / 2, **perplexity, calibration="ar", language="es")
    error = {"method": "sparsegpt", "calibration": "en", "language": "de", "metric": "pruning_error"}
    frame = with_value(frame, 1e-9, **error, source="udhr")
    table = exceptions(frame)
    one, *others = table[table["evaluated on"] == "udhr"].to_dict("records")
    assert (
        table["evaluation language"].tolist()[:2] == ["ES", "ZH"] and one["evaluation language"] == "DE" and not others
    )
    assert table["best calibration"].tolist() == ["AR", "RU", "EN"] and table["margin"][1] == "25.0%"
    assert table["in the target"][1] == f"{diagonal:.1f}" and (one["value"], one["measured as"]) == (
        "1.00",
        "Pruning error, 10⁻⁹",
    )
    assert not {"model", "sparsity"} & set(table)
    assert {"model", "sparsity"} <= set(exceptions(pd.concat([frame, frame.assign(model="b", sparsity=0.7)])))


def test_every_source_and_metric_is_tested():
    table = section_4_1(tidy())
    diagonal = table[table.claim == claims.TARGET_IS_BEST]
    assert len(diagonal) == 2 * 2 * 3 and set(diagonal.source) == {"chromium", "udhr"}
    assert len(table) == 3 * 2 * 2 * 3 + 2  # three tests; methods, sources, metrics; Russian for Chinese by source
    several = section_4_1(tidy(models=("a", "b"), sparsity=((0.5, "unstructured"), (0.5, "2:4"))))
    assert set(several.sparsity) == {"50%", "2:4"} and set(several.model) == {"a", "b"}


def test_verdicts_in_words():
    table = section_4_1(tidy())
    words = readable(table)
    assert len(words) == len(table) and "model" not in words
    assert words["95% interval"].iloc[0] == f"{100 * 0.025 ** (1 / 7):.1f} to 100%"
    counts = table.verdict.value_counts()
    assert f"{counts['held']} held" in verdict_sentence(table) and str(len(table)) in verdict_sentence(table)
    assert {"model", "sparsity"} <= set(
        readable(section_4_1(tidy(models=("a", "b"), sparsity=((0.5, "unstructured"), (0.5, "2:4")))))
    )


def test_a_study_of_perplexity_alone_and_one_that_prunes_nothing():
    alone = tidy()[lambda frame: frame.metric == "perplexity"]
    assert set(section_4_1(alone).metric) == {"perplexity"}
    nothing = tidy(sparsity=((0.0, "unstructured"),))
    for metric, found in (("perplexity", 30.0), ("snr_db", np.inf), ("pruning_error", 0.0)):
        for method in ("wanda", "sparsegpt"):
            nothing = with_value(nothing, found, metric=metric, method=method)
    with warnings.catch_warnings(action="error"):
        table = section_4_1(nothing)
        assert exceptions(nothing).empty
    assert "held" not in set(table.verdict[table.claim == claims.NO_SINGLE_BEST])


def rectangle(evaluation, **options):
    """A frame whose calibration languages are the seven, and evaluation languages others."""
    frame = tidy(languages=(*SEVEN, *(code for code in evaluation if code not in SEVEN)), **options)
    return frame[frame["language"].isin(evaluation) & frame["calibration"].isin(["", *SEVEN])]


def test_the_diagonal_is_that_of_the_languages_on_both_sides():
    frame = rectangle(("de", "vi"))
    claim = one(target_is_best(squares(frame, "perplexity", "chromium")))
    assert (claim.what, claim.n) == ("1 of 1 columns", 1)
    assert one(no_single_best(squares(frame, "perplexity", "chromium", every=True))).n == 2


def test_without_a_common_language_claims_about_the_target_are_undecided_and_say_why():
    found = section_4_1(rectangle(("vi", "th")))
    for claim in (claims.TARGET_IS_BEST, claims.TARGET_IS_BETTER):
        rows = found[found["claim"] == claim]
        assert len(rows) == 2 * 2 * len(MEASURED)
        assert set(rows["verdict"]) == {"undecided"} and set(rows["what"]) == {NO_TARGET}
    assert set(found.loc[found["claim"] == claims.NO_SINGLE_BEST, "n"]) == {2}
    assert NO_TARGET not in set(section_4_1(rectangle(("de", "vi")))["what"])
