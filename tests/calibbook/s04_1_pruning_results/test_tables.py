"""Tables: the mark, the shade, the deviation and the caption each say what the records say."""

import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from frames import MEASURED, SEVEN, tidy, with_value
from task_items import lines_of

from calibbook.s04_1_pruning_results.paper import NUMBERS
from calibbook.s04_1_pruning_results.tables import beside_paper, fidelity_table
from calibbook.shared.frames import calibration_rank, setting, sources, summarize
from calibbook.shared.words import fixed, in_caption, listed, number_style
from calibprune.errors import ParameterError


def parsed(table) -> BeautifulSoup:
    return BeautifulSoup(table.html, "html.parser")


def test_columns_are_languages_and_rows_are_calibrations_in_the_papers_order():
    shuffled = tidy(mixtures=("ar+en",)).sample(frac=1, random_state=0)
    soup = parsed(fidelity_table(shuffled, "perplexity", "chromium"))
    assert [th.text for th in soup.select("thead th[scope=col]")][2:] == [code.upper() for code in SEVEN]
    assert list(lines_of(soup)) == [
        ("Dense", "none"),
        *[(method, name) for method in ("Wanda", "SparseGPT") for name in (*map(str.upper, SEVEN), "AR+EN")],
    ]


@pytest.mark.parametrize("metric", MEASURED)
def test_mark_sits_at_the_best_cell_of_every_column(metric):
    soup = parsed(fidelity_table(tidy(), metric, "chromium"))
    for (method, calibration), cells in lines_of(soup).items():
        marked = [SEVEN[i].upper() for i, td in enumerate(cells) if td.select_one("[role=img]") and td.find("strong")]
        assert marked == ([] if method == "Dense" else [calibration])
        assert all(("best" in td.get("class", [])) == bool(td.find("strong")) for td in cells)


def test_mark_moves_with_the_value_and_ties_share_it():
    frame = with_value(
        tidy(), 1.5, method="wanda", calibration="ru", language="zh", metric="perplexity", source="chromium"
    )
    tied = with_value(
        frame, 1.5, method="wanda", calibration="es", language="zh", metric="perplexity", source="chromium"
    )
    for made, expected in ((frame, ["ru"]), (tied, ["es", "ru"])):
        summary = summarize(made, "perplexity", "chromium")
        marked = summary[(summary.method == "wanda") & (summary.language == "zh") & summary.best]
        assert sorted(marked.calibration) == expected


@pytest.mark.parametrize("metric", MEASURED)
def test_a_mixture_takes_no_star_from_a_language_and_has_a_mark_of_its_own_where_it_is_better(metric):
    frame = tidy(mixtures=("ar+en", "de+en"))
    lower = metric != "snr_db"
    where = {"method": "wanda", "language": "zh", "metric": metric, "source": "chromium"}
    for mixture, value in (("ar+en", 1e-9 if lower else 99), ("de+en", 1e-8 if lower else 98)):
        frame = with_value(frame, value, calibration=mixture, **where)
    rows = lines_of(parsed(fidelity_table(frame, metric, "chromium")))
    zh = SEVEN.index("zh")
    column = {name: cells[zh] for (method, name), cells in rows.items() if method == "Wanda"}
    assert {name: td.find(role="img").text for name, td in column.items() if td.find(role="img")} == {
        "ZH": "★",
        "AR+EN": "◆",
    }
    others = [td for (method, name), cells in rows.items() if "+" in name for td in cells if td is not column["AR+EN"]]
    assert not any(td.find(role="img") for td in others)
    assert "◆ the best mixture" in parsed(fidelity_table(frame, metric, "chromium")).caption.text
    assert "◆" not in parsed(fidelity_table(tidy(), metric, "chromium")).caption.text


def test_one_calibration_or_magnitude_alone_has_no_best():
    frame = tidy(languages=("de",), methods=("magnitude", "wanda"))
    assert not summarize(frame, "perplexity", "chromium").best.any()


@pytest.mark.parametrize("metric", MEASURED)
def test_shade_rises_with_the_value_down_every_column_from_dark_to_light(metric):
    summary = summarize(tidy(), metric, "chromium")
    for _, column in summary[summary.method != "dense"].groupby("language"):
        ordered = column.sort_values("mean").shade.to_numpy()
        assert ordered[0] == 0 and ordered[-1] == 1
        assert (np.diff(ordered) >= 0).all()
    assert summary[summary.method == "dense"].shade.isna().all()


def test_perplexity_is_shaded_by_its_logarithm_and_error_as_it_is():
    for metric, middle in (("perplexity", 10 * np.sqrt(10)), ("pruning_error", 55.0)):
        frame = tidy(languages=("ar", "de", "en"), methods=("wanda",))
        for calibration, found in (("ar", 10.0), ("de", 100.0), ("en", middle)):
            frame = with_value(frame, found, metric=metric, language="ar", calibration=calibration)
        summary = summarize(frame, metric, "chromium").query("method == 'wanda' and language == 'ar'")
        assert summary.set_index("calibration").shade.to_dict() == pytest.approx({"ar": 0, "de": 1, "en": 0.5})


def test_magnitude_and_broken_models_do_not_stretch_the_shades():
    frame = tidy(methods=("magnitude", "wanda"))
    frame = with_value(frame, 1e9, method="magnitude", metric="perplexity")
    broken = with_value(frame, np.inf, method="wanda", calibration="sw", metric="perplexity")
    summary = summarize(broken, "perplexity", "chromium")
    assert (summary[summary.method == "magnitude"].shade == 1).all()
    assert (summary[summary.calibration == "sw"].shade == 1).all()
    intact = summary[(summary.method == "wanda") & (summary.calibration != "sw")]
    assert set(intact.groupby("language").shade.agg(lambda s: (s.min(), s.max()))) == {(0.0, 1.0)}


def test_deviation_is_shown_in_small_type_with_several_draws_only():
    three = tidy(languages=("ar", "de"), seeds=(0, 1, 2))
    soup = parsed(fidelity_table(three, "perplexity", "chromium"))
    cell = lines_of(soup)[("Wanda", "DE")][0]
    draws = three.query(
        "method == 'wanda' and calibration == 'de' and language == 'ar' and metric == 'perplexity' "
        "and source == 'chromium'"
    ).value
    assert cell.select_one("small.sd").text == f"± {np.std(draws, ddof=1):.1f}"
    assert cell.text.split()[0] == f"{draws.mean():.1f}"
    assert "Mean over 3 draws of calibration text (seeds 0, 1 and 2)" in soup.caption.text

    one = parsed(fidelity_table(tidy(), "perplexity", "chromium"))
    assert not one.select("small.sd")
    assert "One draw of calibration text (seed 0)" in one.caption.text


def test_caption_says_what_was_measured():
    frame = tidy(sparsity=((0.5, "unstructured"), (0.5, "2:4")))
    frame.loc[frame.language == "zh", "n"] = 1100
    text = parsed(fidelity_table(frame, "perplexity", "udhr", "Table 6")).caption.text
    for part in (
        "Table 6.",
        "Perplexity (PPL): lower (darker) is better",
        "“udhr”",
        "254 to 1,100 tokens",
        "pruned to 50% and 2:4",
        "Calibrated on 512 tokens",
        "are not known",
    ):
        assert part in text, part


def test_several_metrics_stand_side_by_side_under_their_names():
    soup = parsed(fidelity_table(tidy(), MEASURED, "chromium", "Table 1"))
    groups = soup.select("thead th[scope=colgroup]")
    assert [th.text for th in groups] == [
        "Perplexity (PPL)",
        "Signal-to-noise ratio (SNR, dB)",
        "Pruning error (in units of 10⁻⁴)",
    ]
    assert {th["colspan"] for th in groups} == {"7"}
    cells = lines_of(soup)
    assert {len(tds) for tds in cells.values()} == {21}
    assert [td.text for td in cells[("Dense", "none")][7:]] == ["–"] * 14
    assert all(th.get("scope") for th in soup.select("th"))


def test_model_and_sparsity_are_columns_only_where_they_vary():
    assert parsed(fidelity_table(tidy(), "snr_db", "chromium")).thead.text.startswith("MethodCalibration")
    frame = tidy(sparsity=((0.5, "unstructured"), (0.6, "unstructured"), (0.5, "2:4")), models=("a", "b<c"))
    soup = parsed(fidelity_table(frame, "snr_db", "chromium"))
    assert {key[2] for key in lines_of(soup)} == {"50%", "60%", "2:4"}
    assert {key[0] for key in lines_of(soup)} == {"a", "b<c"}


def test_same_records_give_the_same_bytes():
    assert fidelity_table(tidy(), "perplexity", "chromium") == fidelity_table(tidy(), "perplexity", "chromium")


def test_plain_text_carries_the_numbers():
    plain = repr(fidelity_table(tidy(), "perplexity", "chromium"))
    assert "30.0" in plain and "Measured on “chromium”" in plain and "<" not in plain


def test_the_papers_number_stands_in_its_cell_alone():
    frame = tidy(models=("llama3-8b",), sources=("mc4",))
    soup = parsed(fidelity_table(frame, "perplexity", "mc4"))
    known = {key: [i for i, td in enumerate(tds) if td.select("small.known")] for key, tds in lines_of(soup).items()}
    assert {key: found for key, found in known.items() if found} == {
        ("Wanda", name.upper()): [SEVEN.index("zh")] for name in NUMBERS.frame["calibration"]
    }
    assert "in brackets" in soup.caption.text
    for other in (
        tidy(sources=("mc4",)),
        tidy(models=("llama3-8b",), sources=("mc4",), sparsity=((0.6, "unstructured"),)),
    ):
        assert not parsed(fidelity_table(other, "perplexity", "mc4")).select("small.known")


def test_paper_numbers_beside_ours():
    table = beside_paper(tidy(), "chromium")
    ours = summarize(tidy(), "perplexity", "chromium").query("method == 'wanda' and language == 'zh'")
    expected = ours.set_index("calibration")["mean"].loc[table.calibration]
    assert list(table["ours on chromium"]) == [f"{value:.1f}" for value in expected]
    assert set(beside_paper(tidy(languages=("de", "sw")), "chromium")["ours on chromium"]) == {"not measured"}


@pytest.mark.parametrize(
    ("metric", "source", "part"),
    [
        ("perplexty", "chromium", "unknown metric 'perplexty': choose one of perplexity"),
        ("perplexity", "mc4", "unknown evaluation source 'mc4': choose one of chromium, udhr"),
    ],
)
def test_unknown_names_are_refused(metric, source, part):
    with pytest.raises(ParameterError, match=re.escape(part)):
        summarize(tidy(), metric, source)


def test_two_records_of_one_draw_are_refused_not_averaged():
    frame = tidy()
    with pytest.raises(ParameterError, match="several records of one draw"):
        summarize(pd.concat([frame, frame.assign(calibration_tokens=1024)]), "perplexity", "chromium")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((23.64,), "23.6"),
        ((1234.5,), "1,234"),
        ((2.5e7,), "2.5×10⁷"),
        ((np.nan,), "–"),
        ((np.inf,), "∞"),
        ((-1.25, 0, 2), "−1.25"),
        ((2.34e-4, -4, 2), "2.34"),
    ],
)
def test_numbers_are_written_for_reading(args, text):
    assert fixed(*args) == text


def test_small_errors_share_a_power_of_ten():
    assert number_style("pruning_error", [2.3e-4, 5e-2, np.nan]) == (-4, 2)
    assert number_style("snr_db", [-0.001]) == (0, 2)


def test_words_of_captions():
    assert [listed([]), listed("a"), listed("abc")] == ["", "a", "a, b and c"]
    assert [in_caption([4096]), in_caption([3968, 4096])] == ["4,096", "3,968 to 4,096"]
    assert [setting(0.0, "dense"), setting(0.5, "4:8"), setting(0.0, "unstructured")] == ["", "4:8", "0%"]
    chosen = (0.5, 0.625, 0.9999999, 0.33333333, 2 / 3, 0.1 + 0.2, 1e-6)
    shown = "50% 62.5% 99.99999% 33.333333% 66.6666666667% 30% 0.0001%"
    assert " ".join(setting(fraction, "unstructured") for fraction in chosen) == shown
    assert sorted(["zh", "ar+en", "", "de"], key=calibration_rank) == ["", "de", "zh", "ar+en"]
    assert sources(tidy(sources=("udhr", "chromium"))) == ["udhr", "chromium"]
