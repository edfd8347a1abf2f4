"""Section 4.6: quantized models in tables, in the paper's findings, and beside pruned ones of equal memory."""

import csv
from functools import cache

import numpy as np
import pandas as pd
import pytest
from frames import SEVEN, tidy, with_value
from task_items import item_scores, lines_of, parsed, verdicts

from calibbook.checkout import ROOT
from calibbook.s04_1_pruning_results import claims
from calibbook.s04_1_pruning_results.tables import fidelity_table
from calibbook.s04_2_downstream_tasks.paper import NUMBERS
from calibbook.s04_2_downstream_tasks.tables import task_table
from calibbook.s04_6_quantization.claims import (
    BETTER,
    FEWEST_DIFFERENT,
    ORDER,
    OUTLIER,
    differing,
    on_text,
    section_4_6,
)
from calibbook.s04_6_quantization.claims import SIMILAR as SIMILAR_TO
from calibbook.s04_6_quantization.figures import equal_memory
from calibbook.s04_6_quantization.memory import (
    at_equal_memory,
    at_memory,
    bits_per_weight,
    change,
    contests,
    overview,
    which_wins,
)
from calibbook.s04_6_quantization.tables import (
    PAPER,
    asked,
    compare_widths,
    costs,
    of_width,
    order,
    paper_rows,
    paper_table,
    ranks,
    title,
    widths,
)
from calibbook.shared.claim_tables import readable
from calibbook.shared.comparison import holm
from calibbook.shared.frames import participle, treatment
from calibbook.shared.narrow import on_a_phone
from calibbook.shared.statistics import share_interval, target_advantage
from calibprune.errors import ParameterError
from calibprune.schemes import Grid

EIGHT_BITS = (0.0, "8-bit")
BITS = ((0.0, "4-bit"), EIGHT_BITS)
SIMILAR = list(SIMILAR_TO.values())


def frame(settings=BITS, costs=(0.4, 0.01), **options) -> pd.DataFrame:
    """Pruned models beside quantized ones, whose log perplexity over dense is `costs` times as large."""
    pruned, quantized = tidy(**options), tidy(**{**options, "methods": ("gptq",), "sparsity": settings})
    quantized = quantized[quantized["method"] != "dense"]
    powers = quantized["pattern"].map(dict(zip([pattern for _, pattern in settings], costs, strict=False)))
    text = quantized["metric"] == "perplexity"
    quantized.loc[text, "value"] = 30 * (quantized["value"] / 30)[text] ** powers[text]
    return pd.concat([pruned, quantized], ignore_index=True)


def scores(**settings):
    return item_scores(**{"methods": ("gptq",), "sparsity": BITS, "tasks": ("knowledge",), "items": 200, **settings})


def answered_as_dense(given, but: int = 0):
    """The same answers from every quantized model, the dense one's; in the first column one calibration differs on
    `but` items.
    """
    found = {}
    for column, by_text in given.items():
        dense = given[column.of((column.model, "dense", 0.0, "dense"))][""]
        found[column] = {text: dense.copy() for text in by_text}
        if column.method == "gptq" and but:
            text = next(iter(by_text))
            found[column][text][0, :but] = 1 - found[column][text][0, :but]
            but = 0
    return found


@cache
def section(**settings):
    given = scores(**{**settings, "effects": dict(settings.get("effects", ()))})
    return section_4_6(compare_widths(given), given)


def ours(found):
    return found[found["model"] != PAPER]


def test_the_papers_table_15():
    known = NUMBERS.of("Table 15")
    assert (
        len(known) == 8 * 25
        and known["value"].between(0.25, 0.8).all()
        and not known.duplicated(["calibration", "task", "language"]).any()
    )
    names = {"model": "llama3-8b", "method": "gptq", "sparsity": 0.0, "pattern": "8-bit", "metric": "acc"}
    russian = names | {"calibration": "zh", "task": "hellaswag", "language": "ru"}
    assert NUMBERS.get(**russian) == pytest.approx(0.416)
    assert NUMBERS.get(**russian | {"pattern": "4-bit"}) is None
    assert NUMBERS.get(**names, calibration="sw", task="mmlu", language="sw") is None
    dense = names | {"method": "dense", "pattern": "dense"}
    assert NUMBERS.get(**dense, calibration="", task="arc_easy", language="en") == pytest.approx(0.759)


def test_the_papers_table_15_is_as_transcribed():
    source = ROOT.parent / "shared" / "paper" / "table15_gptq_8bit_accuracy.csv"
    if not source.is_file():
        pytest.skip("the transcription of the paper's Table 15 is not beside this checkout")
    with source.open() as lines:
        given = {
            (
                row["calibration"],
                row["task"].replace("arc", "arc_challenge") if row["task"] == "arc" else row["task"],
                row["language"],
            ): row["value"]
            for row in csv.DictReader(lines)
        }
    found = {
        (row.calibration, row.task, row.language): f"{100 * row.value:.1f}"
        for row in NUMBERS.of("Table 15").itertuples()
    }
    assert found == given


def test_what_was_asked_for():
    assert (
        "4 and 8 bits" in asked([4, 8], 128)
        and "4.125 and 8.125 bits a weight" in asked([4, 8], 128)
        and "The paper" not in asked([4, 8], 128)
    )
    assert "3.25 bits" in asked([3], 64) and "The paper takes groups of 128" in asked([3], 64)
    assert "quantized nothing" in asked([], 128) and "`bits: [4, 8]`" in asked([], 128)


def test_widths_are_told_apart_from_each_other_and_from_pruning():
    found = frame()
    assert (
        widths(found) == ["4-bit", "8-bit"]
        and widths(tidy()) == []
        and widths(frame(((0.0, "8-bit"), (0.0, "4-bit")))) == ["4-bit", "8-bit"]
    )
    assert set(of_width(found, "8-bit")["pattern"]) == {"dense", "8-bit"} and set(of_width(found)["method"]) == {
        "dense",
        "gptq",
    }
    tables = compare_widths(scores() | scores(methods=("wanda",), sparsity=((0.5, "unstructured"),)))
    assert list(tables) == ["4-bit", "8-bit"]
    assert {(row.method, row.pattern) for row in tables["4-bit"].itertuples()} == {
        ("dense", "dense"),
        ("gptq", "4-bit"),
    }
    assert [title(width) for width in ("3-bit", "4-bit", "8-bit")] == [
        "3 bits",
        "Table 4.6-1 (the paper's Table 14), 4 bits",
        "Table 4.6-2 (the paper's Table 15), 8 bits",
    ]


def test_captions_say_what_was_done_to_the_weights():
    rows = pd.DataFrame(
        {
            "method": ["dense", "wanda", "wanda", "gptq"],
            "sparsity": [0, 0.5, 0.5, 0.0],
            "pattern": ["dense", "unstructured", "2:4", "8-bit"],
        }
    )
    assert [treatment(rows[:n]) for n in (1, 2, 3)] == ["not pruned", "pruned to 50%", "pruned to 50% and 2:4"]
    assert (
        treatment(rows) == "pruned to 50% and 2:4, or quantized to 8 bits"
        and treatment(rows[3:]) == "quantized to 8 bits"
    )
    assert [participle(rows[:2]), participle(rows), participle(rows[3:]), participle(rows[:1])] == [
        "pruned",
        "pruned",
        "quantized",
        "pruned",
    ]
    table = compare_widths(scores())["4-bit"]
    text = parsed(task_table(table, title("4-bit"), {"knowledge": 0.25})).caption.text
    assert "quantized to 4 bits." in text and "Of 49 values of quantized models" in text and "pruned" not in text
    assert (
        "quantized to 8 bits."
        in parsed(fidelity_table(of_width(frame(), "8-bit"), ("perplexity", "snr_db"), "chromium", "x")).caption.text
    )


def test_tables_have_the_papers_rows():
    lines = lines_of(parsed(task_table(compare_widths(scores())["8-bit"], title("8-bit"))))
    assert list(lines) == [("Dense", "none"), *(("GPTQ", code.upper()) for code in SEVEN)]
    llama = compare_widths(scores(models=("llama3-8b",), tasks=("belebele",)))
    known = {
        width: [tag.text for tag in lines_of(parsed(task_table(table, "x")))["GPTQ", "DE"][1].select(".known")]
        for width, table in llama.items()
    }
    assert known == {"4-bit": [], "8-bit": ["[70.6]"]}


def test_the_papers_own_table_is_shown_whole():
    soup = parsed(paper_table())
    lines = lines_of(soup)
    assert [th.text for th in soup.select("thead th[scope=colgroup]")] == [
        "ARC easy",
        "ARC challenge",
        "Belebele",
        "MMLU",
        "HellaSwag",
    ]
    assert list(lines) == [("Dense", "none"), *(("GPTQ", code.upper()) for code in SEVEN)] and {
        len(cells) for cells in lines.values()
    } == {25}
    assert [td.text for td in lines["GPTQ", "ZH"]][:3] == ["75.9", "31.5", "37.0"] and not lines["Dense", "none"][
        0
    ].get("style")
    assert all(td["style"] for td in lines["GPTQ", "ZH"]) and "<" not in paper_table().plain


def test_costs_and_ranks_beside_the_papers():
    tables = compare_widths(scores(target=0.3))
    lines = costs(tables).set_index(["bits", "model"])
    assert list(lines.index) == [(width, model) for width in tables for model in ("gemma3-270m", PAPER)]
    rows = tables["8-bit"]
    means = rows[rows["method"] == "gptq"].groupby("language")["mean"]
    dense = rows[rows["method"] == "dense"]["mean"].mean()
    assert lines.loc[
        ("8-bit", "gemma3-270m"), "change, points"
    ] == f"{100 * (means.mean().mean() - dense):+.1f}".replace("-", "−")
    assert (
        lines.loc[("8-bit", "gemma3-270m"), "best less worst calibration, points"]
        == f"{100 * (means.max() - means.min()).mean():.1f}"
    )
    assert set(lines.loc[("4-bit", PAPER)]) == {"not known"}
    assert tuple(lines.loc[("8-bit", PAPER)][["columns", "dense, %", "quantized, %"]]) == ("25", "46.0", "46.5")
    counted = ranks(tables).set_index(["bits", "model"])
    assert counted.loc[("8-bit", "gemma3-270m"), "best"] == "7 (chance 1.0)" and set(counted.loc[("4-bit", PAPER)]) == {
        "not known"
    }
    # from the paper's numbers: the target has the highest score, ties included, as often as any language
    wide = (
        paper_rows().query("method == 'gptq'").pivot(index=["task", "language"], columns="calibration", values="mean")
    )
    best = sum(row[language] == row.max() for (_, language), row in wide.iterrows())
    assert (
        counted.loc[("8-bit", PAPER), "best"].startswith(f"{best} (chance")
        and counted.loc[("8-bit", PAPER), "within one standard error"] == "not known"
    )
    assert list(costs({})["model"]) == list(ranks({})["model"]) == [PAPER] * 2 and order({}).empty
    assert set(order(tables)["bits"]) == {"–", "4-bit", "8-bit"}


@pytest.mark.parametrize(("target", "expected"), [(0.25, "held"), (-0.25, "not held")])
def test_the_first_finding(target, expected):
    found = ours(section(target=target))
    assert verdicts(found, BETTER) == {expected} and set(found.loc[found["claim"] == BETTER, "sparsity"]) == {
        "4-bit",
        "8-bit",
    }


def test_the_second_finding(monkeypatch):
    monkeypatch.setitem(item_scores.__globals__["DENSE"], "en", 0.3)
    turned = scores(items=400)
    monkeypatch.setitem(item_scores.__globals__["DENSE"], "en", 0.95)
    given = {column: value for column, value in turned.items() if column.method == "gptq"}
    given |= {column: value for column, value in scores(items=400).items() if column.method == "dense"}
    found = section_4_6(compare_widths(given), given)
    assert verdicts(found, ORDER) == {"held"} and set(found.loc[found["claim"] == ORDER, "model"]) == {"gemma3-270m"}


@pytest.mark.parametrize(("gain", "expected"), [(-0.15, "held"), (0.15, "not held")])
def test_the_third_finding(gain, expected):
    assert verdicts(ours(section(target=0.0, effects=(("sw", gain),), seeds=3)), OUTLIER) == {expected}
    assert verdicts(ours(section(target=0.0, effects=(("sw", gain),))), OUTLIER) == {"undecided"}  # one draw
    found = ours(section(target=0.0, effects=tuple((code, gain) for code in ("de", "en", "es", "ru"))))
    assert "not held" not in verdicts(found, SIMILAR[0])  # they serve everybody alike


def test_the_papers_own_numbers_are_tested_where_they_allow_it():
    found = section(items=50)
    paper = found[found["model"] == PAPER]
    assert (
        set(paper["claim"]) == {BETTER, OUTLIER, *SIMILAR}
        and set(paper["sparsity"]) == {"8-bit"}
        and paper["statistic"].abs().max() < 1
    )
    wide = (
        paper_rows().query("method == 'gptq'").pivot(index=["task", "language"], columns="calibration", values="mean")
    )
    gains = 100 * wide.groupby(level=1).mean().T
    gains = gains.loc[gains.columns].to_numpy()
    assert paper.set_index("claim").loc[BETTER, "statistic"] == pytest.approx(target_advantage(gains).mean())
    assert verdicts(paper, BETTER) == {"undecided"}  # its own table does not show its finding
    assert len(readable(found)) == len(found)


def test_answers_that_are_all_the_same_decide_nothing():
    # of 1,400 questions alike, less than a point can be hidden
    for items, expected in ((8, "undecided"), (200, "held")):
        given = answered_as_dense(scores(items=items))
        found = ours(section_4_6(compare_widths(given), given))
        assert verdicts(found, BETTER) == verdicts(found, ORDER) == {"undecided"}
        assert verdicts(found, OUTLIER) == verdicts(found, SIMILAR[0]) == verdicts(found, SIMILAR[1]) == {expected}
        effects = found[found["claim"] != ORDER]
        most = 100 * share_interval(0, 7 * items)[1]
        assert (
            (effects["statistic"].abs() < 1e-9).all()
            and effects["high"].tolist() == pytest.approx([most] * len(effects))
            and (effects["low"] < 0).all()
        )
        assert effects["note"].str.contains(f"calibrations differ on none of {7 * items:,} questions").all()
        assert set(readable(effects)["result"]) == {"0.0 points"}


def test_nearly_the_same_answers_get_the_wider_interval():
    few, many = (answered_as_dense(scores(items=40, sparsity=(EIGHT_BITS,)), but=n) for n in (3, FEWEST_DIFFERENT))
    assert differing(few, "gemma3-270m") == (280, 3)
    rows = [ours(section_4_6(compare_widths(given), given)).set_index("claim").loc[BETTER] for given in (few, many)]
    assert rows[0]["high"] >= 100 * share_interval(3, 280)[1] and rows[0]["low"] <= -100 * share_interval(3, 280)[1]
    assert "calibrations differ on 3 of 280 questions" in rows[0]["note"]
    assert rows[0]["verdict"] == "undecided" and np.isnan(rows[0]["p"])
    assert rows[1]["note"] == "" and rows[1]["p"] > 0


@pytest.mark.parametrize(
    ("languages", "settings"),
    [
        (("de",), (EIGHT_BITS,)),
        (("de",), BITS),
        (("de", "sw"), ((0.0, "3-bit"),)),
        (("en", "sw", "zh"), (EIGHT_BITS,)),
        (("en", "sw", "zh"), BITS),
    ],
)
def test_a_small_study_decides_nothing_and_fails_nowhere(languages, settings):
    given = scores(languages=languages, sparsity=settings, items=8)
    tables = compare_widths(given)
    found = section_4_6(tables, given)
    assert set(ours(found)["verdict"]) == {"undecided"} and len(readable(found)) == len(found)
    assert len(costs(tables)) and len(ranks(tables))
    small = frame(settings, languages=languages)
    assert set(on_text(small)["verdict"]) <= {"undecided", "held", "not held"} and len(readable(on_text(small)))
    rows = at_memory(small, "chromium", 128)
    assert equal_memory(rows, "chromium")._repr_html_() and which_wins(rows, "chromium") and len(overview(rows))
    assert set(at_equal_memory({"chromium": rows})["verdict"]) <= {"undecided"}


def test_nothing_quantized_is_nothing_to_test():
    assert section_4_6({}, {}).empty and on_text(tidy()).empty and compare_widths(item_scores(items=8)) == {}
    rows = at_memory(tidy(), "chromium", 128)
    assert (
        contests(rows) == []
        and at_equal_memory({"chromium": rows}).empty
        and "nothing here to compare" in which_wins(rows, "chromium")
    )


def test_the_finding_on_text_by_perplexity_and_snr():
    found = on_text(frame())
    assert (
        set(found["metric"]) == {"perplexity", "snr_db"}
        and set(found["method"]) == {"gptq"}
        and set(found["verdict"]) == {"held"}
    )
    shown = readable(found[(found["metric"] == "perplexity") & (found["claim"] == claims.TARGET_IS_BETTER)])["result"]
    tiny = readable(on_text(frame(costs=(0.4, 1e-4))).query("metric == 'perplexity' and sparsity == '8-bit'"))
    assert (
        shown.str.fullmatch(r"\d+\.\d+% lower").all()
        and "0.00500% lower" in set(tiny["result"])
        and "0.00500 to 0.00500%" in set(tiny["95% interval"])
    )


def test_bits_a_weight_takes():
    cases = [(0.0, "dense"), (0.5, "unstructured"), (0.5, "2:4"), (0.7, "unstructured"), (0.0, "8-bit"), (0.0, "4-bit")]
    assert [bits_per_weight(*case, 128) for case in cases] == pytest.approx([16, 9, 9, 5.8, 8.125, 4.125])
    assert bits_per_weight(0.0, "unstructured", 128) == 16  # where nothing is pruned there is no mask
    assert bits_per_weight(0.0, "4-bit", 32) == Grid.of(4, 32).bits_per_weight() == 4.5
    with pytest.raises(ParameterError, match="bits 9"):
        bits_per_weight(0.0, "9-bit", 128)


def test_perplexity_over_dense_by_calibration():
    found = frame(mixtures=("de+en",))
    rows = at_memory(found, "udhr", 128)
    assert len(rows) == 5 * 7 and not rows["bits"].isna().any()
    means = found.query(
        "metric == 'perplexity' and source == 'udhr' and method == 'gptq' and pattern == '4-bit' and language == 'ru'"
    )
    by_text = means.set_index("calibration")["value"] / 30
    row = rows.query("pattern == '4-bit' and language == 'ru'").iloc[0]
    rest = by_text.drop(["ru", "de+en"])
    assert row[["own", "others", "low", "high"]].tolist() == pytest.approx(
        [by_text["ru"], np.exp(np.log(rest).mean()), rest.min(), rest.max()]
    )
    dense = rows[rows["method"] == "dense"]
    assert (dense["own"] == 1).all() and dense[["others", "low", "high"]].isna().all(axis=None)
    magnitude = at_memory(tidy(methods=("magnitude",)), "udhr", 128).query("method == 'magnitude'")
    assert magnitude["own"].notna().all() and magnitude["low"].isna().all()


def test_changes_in_words():
    assert change(pd.Series([2.0, 2.0])) == "+100%" and change(pd.Series([np.nan])) == "–"
    assert change(pd.Series([1.0, 1.21])) == "+10.0% (0 to +21.0)" and change(pd.Series([0.9, 0.9])) == "−10.0%"


def test_who_wins_is_counted_in_the_language_itself():
    plain = which_wins(at_memory(frame(), "chromium", 128), "chromium")
    assert plain.startswith(
        "**At about equal memory quantization wins**: with 8 bits (8.125 a weight) against 50% sparsity (9)"
    )
    assert (
        "in 7 of 7 languages against Wanda and in 7 of 7 languages against SparseGPT" in plain
        and "**At 46% of the memory" in plain
    )
    close = with_value(
        frame(), 5.0, method="wanda", metric="perplexity", language="sw", calibration="sw", source="chromium"
    )
    assert "in 6 of 7 languages against Wanda and in 7 of 7" in which_wins(
        at_memory(close, "chromium", 128), "chromium"
    )
    lost = frame(costs=(2.0, 2.0))
    assert "**At about equal memory pruning wins**" in which_wins(at_memory(lost, "chromium", 128), "chromium")
    four = which_wins(at_memory(frame(((0.0, "4-bit"),)), "chromium", 128), "chromium")
    assert "about equal" not in four and "No width of this run takes about as much memory" in four
    two = which_wins(at_memory(frame(models=("a", "b")), "chromium", 128), "chromium")
    assert "wins** for a:" in two and "wins** for b:" in two


def test_a_method_without_text_is_not_said_to_be_calibrated():
    both = frame(methods=("wanda", "magnitude"), languages=("de", "sw"))
    rows = at_memory(both, "chromium", 128)
    assert rows.drop_duplicates("method").set_index("method")["calibrated"].to_dict() == {
        "dense": False,
        "wanda": True,
        "magnitude": False,
        "gptq": True,
    }
    said = which_wins(rows, "chromium")
    assert "calibrated in the language itself, but for Magnitude, which uses no text." in said
    assert "each calibrated" not in said
    assert "each calibrated in the language itself." in which_wins(rows[rows["method"] != "magnitude"], "chromium")
    shown = overview(rows).drop_duplicates("method").set_index("method")
    column = ["calibrated in the language", "in another", "without text"]
    assert [cell == "–" for cell in shown.loc["Magnitude", column]] == [True, True, False]
    assert [cell == "–" for cell in shown.loc["Wanda", column]] == [False, False, True]
    assert shown.loc["Magnitude", "without text"] == change(rows.query("method == 'magnitude'")["own"])
    assert list(shown.loc[shown.index[0], column]) == ["–"] * 3  # the dense model
    assert "without text" not in overview(rows[rows["method"] != "magnitude"])
    alt = equal_memory(rows, "chromium").alt
    own = change(rows.query("method == 'magnitude'")["own"])
    assert f"Magnitude 50%, 9 bits: {own} without text." in alt


def test_tests_of_all_texts_are_corrected_together():
    memory = {source: at_memory(frame(), source, 128) for source in ("chromium", "udhr")}
    found = at_equal_memory(memory)
    assert found["p_holm"].tolist() == pytest.approx(holm(found["p"]))
    assert len(found) == 4 and set(found["source"]) == set(memory)


def test_the_claim_at_equal_memory():
    found = at_equal_memory({"chromium": at_memory(frame(), "chromium", 128)})
    assert found[["method", "sparsity", "verdict", "n"]].values.tolist() == [
        [name, "50% against 8-bit", "held", 7] for name in ("wanda", "sparsegpt")
    ]
    rows = (
        at_memory(frame(), "chromium", 128)
        .query("method in ('wanda', 'gptq')")
        .pivot(index="language", columns="pattern", values="own")
    )
    lower = 100 * np.expm1(-np.log(rows["unstructured"] / rows["8-bit"]).mean())
    assert (
        found["statistic"].iloc[0] == pytest.approx(lower) and found["low"].iloc[0] < lower < found["high"].iloc[0] < 0
    )
    assert readable(found)["result"].iloc[0] == f"{-lower:.1f}% less"
    assert set(at_equal_memory({"chromium": at_memory(frame(costs=(2.0, 2.0)), "chromium", 128)})["verdict"]) == {
        "not held"
    }


def legend_of(figure) -> dict:
    (legend,) = figure.legends
    return {text.get_text(): handle for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)}


def test_picture_has_a_panel_a_language_and_says_what_it_shows():
    rows = at_memory(frame(), "chromium", 128)
    picture = equal_memory(rows, "chromium")
    figure, alt = picture.figure, picture.alt
    assert [axis.get_title() for axis in figure.axes] == [
        "Arabic",
        "German",
        "English",
        "Spanish",
        "Russian",
        "Swahili",
        "Chinese (simplified)",
    ]
    row = rows.query("method == 'gptq' and pattern == '4-bit' and language == 'de'").iloc[0]
    markers = {label.split(",")[0]: handle.get_marker() for label, handle in legend_of(figure).items()}
    lines = figure.axes[1].lines
    drawn = [(*line.get_xdata(), *line.get_ydata()) for line in lines if line.get_marker() == markers["GPTQ"]]
    assert (4.125, row["own"]) in drawn and len(drawn) == 2
    bars = [tuple(line.get_ydata()) for line in figure.axes[1].lines if line.get_marker() == "_"]
    assert (row["low"], row["high"]) in bars and len(bars) == 4
    pruned = (markers["Wanda"], markers["SparseGPT"])
    places = sorted(float(line.get_xdata()[0]) for line in lines if line.get_marker() in pruned)
    assert np.mean(places) == pytest.approx(9) and places[0] < 9 < places[1]
    with on_a_phone(figure):
        assert figure.get_size_inches()[0] < 5
    assert (
        "7 evaluation languages" in alt
        and "GPTQ 8-bit, 8.125 bits: +" in alt
        and "8-bit is below Wanda 50% in 7 of 7 languages." in alt
    )
    assert alt in picture._repr_html_().replace("&#x27;", "'")


def test_a_method_that_nobody_has_heard_of_has_a_look_and_a_label_of_its_own():
    rows = frame()
    picture = equal_memory(at_memory(rows.replace({"method": {"wanda": "coin_toss"}}), "chromium", 128), "chromium")
    found = legend_of(picture.figure)
    looks = {(handle.get_color(), handle.get_marker()) for handle in found.values()}
    assert "coin_toss, 50%" in found and len(looks) == len(found)
    assert "coin_toss 50%" in picture.alt


def test_picture_has_round_numbers_up_its_side():
    for power in (1e-4, 0.01, 1.0, 4.0):
        axis = equal_memory(
            at_memory(frame(costs=(power, power), methods=("wanda",)), "chromium", 128), "chromium"
        ).figure.axes[0]
        axis.figure.draw_without_rendering()
        low, high = axis.get_ylim()
        labels = [label.get_text() for label in axis.get_yticklabels() if low <= label.get_position()[1] <= high]
        assert 2 <= len(labels) <= 6 and all(label.endswith("×") for label in labels)
