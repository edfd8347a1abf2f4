"""The first page: what its table, picture and five sentences say, for every kind of study, and where its numbers come
from.
"""

import ast
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from frames import SEVEN, tidy, with_value
from scipy.stats import norm, t

from calibbook.checkout import ROOT
from calibbook.first_page import choices, sentences
from calibbook.first_page.choices import ENGLISH, EVERY, TARGET, WITH_ENGLISH
from calibbook.first_page.figures import answer_picture
from calibbook.first_page.findings import Findings, findings
from calibbook.first_page.sentences import five
from calibbook.first_page.tables import answer_table
from calibbook.s04_2_downstream_tasks.data import Column
from calibbook.shared.claim_tables import interval
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.statistics import ALPHA
from calibbook.shared.verdicts import HELD, NOT_HELD, UNDECIDED
from calibbook.shared.words import as_given, fixed, number

PAIRS = tuple("+".join(sorted(["en", code])) for code in SEVEN if code != "en")
ALL = "+".join(SEVEN)
DIGIT = re.compile(r"\d")
NUMBER = re.compile(r"\d(?:[\d,.]*\d)?")
NOTEBOOK = ROOT / "notebooks" / "first_page.ipynb"
ROOM = sorted((ROOT / "book" / "calibbook" / "first_page").glob("*.py"))


def whole(seeds=(0, 1), **more) -> pd.DataFrame:
    """Records of two pruning methods with single languages, pairs with English and all languages, and of GPTQ."""
    pruned = tidy(seeds=seeds, mixtures=(*PAIRS, ALL), sources=("chromium",), **more)
    quantized = tidy(methods=("gptq",), sparsity=((0.0, "8-bit"),), seeds=seeds, sources=("chromium",), gain=0.05)
    return pd.concat([pruned, quantized[quantized["method"] != "dense"]], ignore_index=True)


def scores(gain=0.0, items=40, languages=SEVEN, task="facts", metric="acc") -> dict:
    stream = np.random.default_rng(0)
    return {
        Column("gemma3-270m", "wanda", 0.5, "unstructured", task, language, metric): {
            text: (stream.random((2, items)) < 0.4 + gain * (text == language)).astype("float32") for text in languages
        }
        for language in languages
    }


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings(whole(), scores(), 128)


def perplexity(frame, calibration, language, method="wanda"):
    rows = frame[(frame["metric"] == "perplexity") & (frame["method"] == method) & (frame["language"] == language)]
    return rows.loc[rows["calibration"] == calibration, "value"].mean()


def test_a_choice_is_another_calibration_for_each_target_language(found):
    frame, rows = whole(), found.rows
    assert set(rows["language"]) == set(SEVEN) - {"en"}
    wanted = {ENGLISH: "en", TARGET: "sw", WITH_ENGLISH: "en+sw", EVERY: ALL}
    mine = rows[(rows["method"] == "wanda") & (rows["language"] == "sw")].set_index("choice")
    assert mine["calibration"].to_dict() == wanted
    for choice, text in wanted.items():
        ratio = perplexity(frame, text, "sw") / perplexity(frame, "", "sw", "dense")
        assert np.exp(mine.loc[choice, "log_ratio"]) == pytest.approx(ratio)


def test_choices_are_compared_on_the_languages_that_all_of_them_have():
    frame = whole()
    frame = frame[frame["calibration"] != "de+en"]
    found = findings(frame, {}, 128)
    rows = found.rows
    pruned, rounded = (rows[(rows["method"] == method)] for method in ("wanda", "gptq"))
    assert "de" not in set(pruned["language"]) and "de" in set(rounded["language"])
    assert "5 of 6 languages" in answer_table(found).plain


@pytest.mark.parametrize(
    ("mixtures", "wanted"),
    [((), None), (("de+en",), None), (("de+en", "de+sw"), "de+sw"), (("ar+de+en", "ar+de+en+sw"), "ar+de+en+sw")],
)
def test_the_largest_mixture_is_no_pair_with_english(mixtures, wanted):
    assert choices.largest(mixtures) == wanted


@pytest.mark.parametrize(
    ("singles", "mixture", "words"),
    [
        (SEVEN, ALL, "all seven languages"),
        (("de", "sw"), "de+sw", "both languages"),
        (SEVEN, "ar+de+en", "three languages at once"),
    ],
)
def test_a_mixture_is_called_by_what_it_has(singles, mixture, words):
    assert choices.label(EVERY, ["", *singles, mixture]) == words


def test_in_english_alone_english_is_the_target():
    frame = whole()
    rows = choices.choices(frame[frame["language"] == "en"], "chromium")
    assert set(rows["language"]) == {"en"} and ENGLISH not in set(rows["choice"]) and TARGET in set(rows["choice"])


def test_a_model_that_serves_all_languages_has_one_draw_of_text_for_all():
    rows = pd.DataFrame({"log_ratio": [0.0, 0.0], "text_error": [0.3, 0.4], "draw_error": [0.1, 0.1], "draws": [3, 3]})
    shared = rows.assign(choice=ENGLISH, calibration="en")
    own = rows.assign(choice=TARGET, calibration=["de", "sw"])
    _, low, high = choices.difference(pd.concat([shared, own]), ENGLISH, TARGET)
    text, shared_draws, own_draws = 2 * 0.25**2, 0.1**2, 2 * 0.1**2 / 4
    squares = norm.isf(0.025) ** 2 * text + t.isf(0.025, 2) ** 2 * shared_draws  # two languages of three draws have 4
    half = np.sqrt(squares + t.isf(0.025, 4) ** 2 * own_draws)
    assert np.log1p([low, high]).tolist() == pytest.approx([-half, half], rel=1e-6)


def test_the_table_has_the_geometric_mean_and_the_range_over_languages(found):
    shown = answer_table(found).plain
    rows = found.rows[(found.rows["method"] == "sparsegpt") & (found.rows["choice"] == WITH_ENGLISH)]
    ratios = np.exp(rows["log_ratio"])
    middle = fixed(float(np.prod(ratios) ** (1 / len(ratios))), 0, 2)
    assert f"{middle} {fixed(ratios.min(), 0, 2)} to {fixed(ratios.max(), 0, 2)}" in shown
    assert (
        "2 draws of calibration text; 512 tokens" in shown and "on 254 tokens a language; 40 questions a task" in shown
    )


def test_the_best_choice_is_marked_where_it_is_clear(found):
    assert "✓ 2" in answer_table(found).plain
    noisy = with_value(whole(), 150.0, metric="perplexity", calibration="de", language="de", method="wanda")
    noisy.loc[noisy["metric"] == "perplexity", "stderr"] *= 1000
    assert not re.search(r"\d ✓", answer_table(findings(noisy, {}, 128)).plain)


def test_the_picture_marks_what_the_table_says(found):
    picture = answer_picture(found)
    (axis,) = picture.figure.axes
    drawn = {round(float(x), 6) for line in axis.lines for x in line.get_xdata()}
    for _, rows in found.rows.groupby(["method", "choice"]):
        assert round(float(np.exp(rows["log_ratio"].mean())), 6) in drawn
    means = re.findall(r"(\d+\.\d\d) (?:\d|✓)", answer_table(found).plain)
    assert len(means) >= 10 and all(mean in picture.alt for mean in means)


def claimed(verdicts, note="", **more) -> pd.DataFrame:
    methods = ("wanda", "sparsegpt")
    rows = [
        Claim(
            "c",
            model="m",
            method=method,
            sparsity="50%",
            what="12.0% lower",
            statistic=12.0,
            verdict=verdict,
            note=note,
        )
        for method, verdict in zip(methods, verdicts, strict=False)
    ]
    return claims_frame(rows).assign(**more)


@pytest.mark.parametrize(
    ("verdicts", "begins"),
    [
        (("held", "held"), "Calibrate in the language that the model is for"),
        (("not held", "not held"), "Calibrating in the language that the model is for does not pay"),
        (
            ("undecided", "undecided"),
            "Whether it pays to calibrate in the language that the model is for is undecided",
        ),
        (
            ("held", "undecided"),
            "Calibrate in the language that the model is for, as far as it is decided",
        ),
        (
            ("held", "not held"),
            "Whether it pays to calibrate in the language that the model is for differs between the cases",
        ),
        (("held",), "Calibrate in the language that the model is for"),
    ],
)
def test_a_sentence_begins_with_what_the_verdicts_allow(found, verdicts, begins):
    said = sentences.language_of_use(replace(found, target=claimed(verdicts)))
    assert said.startswith(f"**{begins}:** ")
    assert ("perplexity is 12.0% lower with Wanda 50% (undecided)" in said) == (
        verdicts[0] == "undecided" and len(set(verdicts)) > 1
    )


def test_why_nothing_could_be_told_is_said_once(found):
    said = sentences.language_of_use(replace(found, target=claimed(("undecided",) * 2, note="too few languages")))
    assert said.count("too few languages") == 1 and "is undecided (too few languages)" in said


def test_of_many_results_it_is_counted_how_they_came_out(found):
    many = pd.concat([claimed(("held", "undecided"))] * 3, ignore_index=True)
    said = sentences.language_of_use(replace(found, target=many))
    assert said.endswith("as far as it is decided:** of 6 tests 3 held, 0 not held and 3 undecided.")


def test_a_reason_is_below_the_sentences_once_with_all_results_that_it_is_about(found):
    rows = pd.concat([claimed(("undecided", "undecided"), note="drawn once"), claimed(("held",))], ignore_index=True)
    found = replace(found, target=rows, written=claimed((UNDECIDED,), low=-1.0, high=2.0, metric="facts"))
    assert "drawn once" not in sentences.language_of_use(found)
    whys = sentences.why_undecided(found)
    assert "**Drawn once:** the target language with Wanda 50% and the target language with SparseGPT 50%." in whys
    (both_ways,) = [why for why in whys if why.startswith("**The interval holds better and worse:** ")]
    assert "facts with Wanda 50%" in both_ways
    held = replace(found, **{name: claimed(()) for name in ("target", "english", "rounded", "memory", "tasks")})
    held = replace(held, mixtures=claimed(()), written=claimed((HELD,), low=-1.0, high=2.0, metric="facts"))
    assert sentences.why_undecided(held) == []


def test_a_sign_is_a_word_and_its_interval_has_the_same(found):
    (row, *_) = sentences._higher(claimed(("held",), statistic=-28.0, low=-34.0, high=-21.4)).itertuples()
    assert (row.what, interval(row)) == ("28.0% lower", "21.4 to 34.0%")


def test_brackets_are_explained_where_there_are_any(found):
    assert sentences.brackets(five(found)) == [sentences.BRACKETS]
    assert sentences.brackets(five(findings(whole()[:0], {}, 128))) == []


def test_several_models_are_named(found):
    two = pd.concat([claimed(("held",)), claimed(("held",), model="n")], ignore_index=True)
    said = sentences.language_of_use(replace(found, target=two))
    assert "with m, Wanda 50%" in said and "with n, Wanda 50%" in said


def test_what_english_costs_is_the_ratio_to_the_target_language(found):
    frame = whole()
    codes = [code for code in SEVEN if code != "en"]
    logs = [np.log(perplexity(frame, "en", code) / perplexity(frame, code, code)) for code in codes]
    said = five(found)[1]
    assert f"perplexity is {number(100 * np.expm1(np.mean(logs)))}% higher with Wanda 50%" in said
    assert said.startswith("**Calibrating in English alone costs the other languages:** ")
    better = five(findings(whole(gain=-0.5), {}, 128))[1]
    assert better.startswith("**Calibrating in English alone serves the other languages better")
    assert "% lower with Wanda" in better and "−" not in better


def test_one_draw_does_not_tell_what_english_costs():
    said = five(findings(whole(seeds=(0,)), {}, 128))[1]
    assert f"is undecided ({ONE_DRAW})" in said


LACKING = {
    "nothing is compressed": (lambda frame: frame[frame["method"] == "dense"], [True] * 5),
    "one language": (
        lambda frame: frame[(frame["language"] == "sw") & frame["calibration"].isin(["", "sw"])],
        [True] * 5,
    ),
    "nothing is quantized": (lambda frame: frame[frame["method"] != "gptq"], [False, False, False, True, True]),
    "nothing is pruned": (lambda frame: frame[frame["method"].isin(["dense", "gptq"])], [True] * 5),
    "one method": (lambda frame: frame[frame["method"].isin(["dense", "wanda"])], [False, False, False, True, True]),
    "no mixture": (
        lambda frame: frame[~frame["calibration"].str.contains("+", regex=False)],
        [False, False, True, False, True],
    ),
    "no English": (
        lambda frame: frame[(frame["calibration"] != "en") & ~frame["calibration"].isin(PAIRS)],
        [False, True, False, False, True],
    ),
    "measured in others than it is calibrated in": (
        lambda frame: frame[frame["language"].isin(["ar", "de"]) & ~frame["calibration"].isin(["ar", "de"])],
        [True, True, True, True, True],
    ),
    "no perplexity": (lambda frame: frame[frame["metric"] == "snr_db"], [True] * 5),
    "no records": (lambda frame: frame[:0], [True] * 5),
}


@pytest.mark.parametrize("study", LACKING)
def test_every_study_has_five_sentences_and_what_it_lacks_is_undecided(study):
    keep, lacking = LACKING[study]
    found = findings(keep(whole()), {}, 128)
    said = five(found)
    assert len(said) == 5 and all(one.endswith(".") for one in said)
    for one, missing in zip(said, lacking, strict=True):
        assert "nan" not in one and "–%" not in one and "  " not in one
        assert not missing or UNDECIDED in one, one
    if len(found.rows):
        assert answer_table(found).plain and answer_picture(found).alt


def test_tasks_that_gain_are_told_with_their_questions():
    found = findings(whole(), scores(gain=0.5, items=200), 128)
    assert five(found)[4].startswith(
        "**Models calibrated in the target language also answer multiple-choice questions better:** in facts, against "
    )
    assert five(found)[4].endswith("from 200 questions a task and language.")


def test_what_the_model_writes_itself_is_told_apart_with_its_own_verdict():
    """The target gains where an answer is chosen, and loses where it is written."""
    written = scores(gain=-0.3, items=100, task="facts", metric="f1")
    found = findings(whole(), scores(gain=0.5, items=200, task="knowledge") | written, 128)
    said = five(found)[4]
    chosen, _, other = said.partition(" In facts, where the model writes the answer itself, the score is ")
    assert "multiple-choice questions better:** in knowledge, against" in chosen and "facts" not in chosen
    means = [{text: 100 * answers.mean() for text, answers in by_text.items()} for by_text in written.values()]
    gains = [
        mine[code] - np.mean([mine[text] for text in SEVEN if text != code])
        for code, mine in zip(SEVEN, means, strict=True)
    ]
    assert other.startswith(f"{number(-np.mean(gains))} points lower with Wanda 50% (")
    assert "; not held)" in other and other.endswith("from 100 questions a language.")
    assert not strange_numbers([said], found)


def test_a_result_says_its_verdict_where_the_beginning_of_the_sentence_does_not(found):
    rows = claimed((NOT_HELD, UNDECIDED), note="few")
    mixed = rows.assign(metric=f"{ALL}, perplexity on chromium", statistic=3.0)
    said = sentences.further_languages(replace(found, mixtures=mixed))
    assert said.startswith("**Further languages beside the target language do not help it, as far as it is decided:** ")
    assert "with Wanda 50% and" in said and "with SparseGPT 50% (undecided)" in said
    differs = sentences.further_languages(replace(found, mixtures=mixed.assign(verdict=[HELD, NOT_HELD])))
    assert "differs between the cases" in differs and "(held)" in differs and "(not held)" in differs
    many = pd.concat([mixed] * 3, ignore_index=True)
    said = sentences.further_languages(replace(found, mixtures=many))
    assert said.endswith("of 6 tests 0 held, 3 not held and 3 undecided (that they help).")


def test_where_weights_are_rounded_english_is_compared_with_the_target_and_has_a_sign():
    """At some bits the target may be the worse of the two: the sentence says which is lower."""
    frame = whole()
    mine = (frame["method"] == "gptq") & (frame["metric"] == "perplexity") & (frame["calibration"] == "en")
    frame.loc[mine & (frame["language"] != "en"), "value"] *= 0.5
    found = findings(frame, {}, 128)
    codes = [code for code in SEVEN if code != "en"]
    logs = [np.log(perplexity(frame, "en", code, "gptq") / perplexity(frame, code, code, "gptq")) for code in codes]
    said = sentences.quantize(found)
    assert np.mean(logs) < 0
    assert (
        "calibrating in English instead of the target language makes perplexity "
        f"{number(-100 * np.expm1(np.mean(logs)))}% lower with GPTQ 8-bit (" in said
    )
    assert "not held), in 6 languages." in said and "worst" not in said
    alone = frame[(frame["method"] != "gptq") | (frame["calibration"] != "en")]
    assert "Where weights are rounded" not in sentences.quantize(findings(alone, {}, 128))


def test_equal_memory_says_over_which_languages_and_the_table_that_it_leaves_english_out(found):
    assert found.measured == list(SEVEN)
    assert ", in 7 languages, English among them. Where" in sentences.quantize(found)
    assert "English is left out, so that a ratio" in answer_table(found).plain
    frame = whole()
    frame = frame[frame["language"] != "en"]
    assert "English among them" not in sentences.quantize(findings(frame, {}, 128))


def test_it_is_said_what_was_drawn_how_often(found):
    rows = found.rows.assign(draws=[3 if text.count("+") == 0 else 1 for text in found.rows["calibration"]])
    assert (
        "draws of calibration text: 3 for pruning in one language and for quantizing in one language, 1 for mixtures;"
        in answer_table(replace(found, rows=rows)).plain
    )
    rounded = rows.assign(draws=rows["draws"].where(rows["method"] != "gptq", 1))
    assert (
        "3 for pruning in one language, 1 for quantizing in one language and for mixtures;"
        in answer_table(replace(found, rows=rounded)).plain
    )


def test_a_text_that_was_drawn_once_for_all_languages_leaves_no_best_choice():
    rows = findings(whole(), {}, 128).rows
    mine = rows[rows["method"] == "wanda"]
    assert choices.clear_best(mine) == TARGET

    def drawn_once(choice: str) -> pd.DataFrame:
        other = mine["choice"] != choice
        return mine.assign(draws=mine["draws"].where(other, 1), draw_error=mine["draw_error"].where(other, 0.0))

    assert choices.clear_best(drawn_once(ENGLISH)) is None
    assert choices.clear_best(drawn_once(TARGET)) == TARGET, "every language has a draw of its own"


def numbers_of_records(found: Findings) -> set[str]:
    """Every number that a sentence may have, as it is written: results, ends of intervals, settings and questions."""
    texts = [as_given(1 - ALPHA), *map(str, [*found.items, *found.written_items])]
    tested = (found.target, found.english, found.rounded, found.mixtures, found.memory, found.tasks, found.written)
    for claims in tested:
        for row in claims.itertuples():
            ends = [number(abs(end)) for end in (row.statistic, row.low, row.high)]
            texts += [interval(row), *ends, row.what, row.sparsity, row.note, str(row.n)]
    for (_, _, sparsity, pattern), _ in found.rows.groupby(["model", "method", "sparsity", "pattern"]):
        texts += [as_given(sparsity), pattern]
    return {one for text in texts for one in NUMBER.findall(text)}


def strange_numbers(said: list[str], found: Findings) -> set[str]:
    return set(NUMBER.findall(" ".join(said))) - numbers_of_records(found)


def test_every_number_in_the_sentences_comes_from_records(found):
    said = five(found)
    assert len(NUMBER.findall(" ".join(said))) > 20
    assert not strange_numbers(said, found)


def test_a_number_that_is_typed_in_is_found(found):
    assert strange_numbers([*five(found), "It costs 7.77% in 3 of 4 cases."], found) >= {"7.77"}


def typed(source: str) -> list[str]:
    """Texts with digits in Python source, without docstrings, colours and what formats numbers."""
    tree = ast.parse(source)
    skipped = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and node.format_spec
        for part in ast.walk(node.format_spec)
    } | {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
        if DIGIT.search(node.value) and not re.fullmatch("#[0-9a-f]{6}", node.value)
    ]


def prose(cells: list[dict]) -> list[str]:
    """Texts with digits of a notebook: of its markdown, without the addresses of pages, and of its code, without the
    parameters.
    """
    found = []
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            found += [line for line in re.sub(r"\{\w+\}`[^`]*`", "", text).splitlines() if DIGIT.search(line)]
        elif "parameters" not in cell["metadata"].get("tags", []):
            found += typed(text)
    return found


def test_no_digit_is_typed_into_the_page():
    assert not prose(json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"])
    assert len(ROOM) > 4
    for path in ROOM:
        assert not typed(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("markdown", "English costs 12% more, see {doc}`/executed/04_1_pruning_results`."),
        ("code", 'display("12% more")'),
        ("code", 'f"12% more {number}"'),
    ],
)
def test_a_digit_that_is_typed_into_the_page_is_found(kind, text):
    assert prose([{"cell_type": kind, "metadata": {}, "source": [text]}])


def test_addresses_and_formats_are_no_numbers_of_the_prose():
    fine = [("markdown", "See {doc}`/executed/04_1_pruning_results`."), ("code", 'f"{value:.3g}"; look("#777777")')]
    assert not prose([{"cell_type": kind, "metadata": {}, "source": [text]} for kind, text in fine])


def test_the_book_opens_with_this_page_and_it_with_the_question():
    assert yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["root"] == "executed/first_page"
    first, *_ = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert "in which language should I calibrate, and what do I lose?" in "".join(first["source"])


def test_every_page_that_the_first_one_names_is_there():
    text = NOTEBOOK.read_text(encoding="utf-8")
    pages = {page.strip("/") for page in re.findall(r"\{doc\}`([^`]+)`", text)}
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert len(pages) > 8 and not [page for page in pages if f"file: {page}\n" not in contents]
