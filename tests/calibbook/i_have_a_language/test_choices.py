"""Which choice is best for a language: rankings over methods and within one, by perplexity and by scores, and what the
page embeds of them.
"""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from frames import provenance, record, tidy, with_value
from scipy.stats import norm

from calibbook.checkout import ROOT
from calibbook.i_have_a_language import data, deciding, form, sentences
from calibbook.i_have_a_language.commands import command, cost
from calibbook.s04_1_pruning_results.choice import ranking
from calibbook.s04_6_quantization.memory import at_memory
from calibprune.study.parameters import Parameters

MODEL = "gemma3-270m"
LANGUAGES = ["de", "en", "sw"]
TEXT = "perplexity on chromium"
SETTINGS = ((0.5, "unstructured"),)


def planted() -> pd.DataFrame:
    """Wanda at 50% and GPTQ at 8 and 4 bits, three languages and a mixture, magnitude without text; in German GPTQ with
    8 bits calibrated in English is best, its German the second.
    """
    kept = {"languages": LANGUAGES, "mixtures": ("de+sw",), "sources": ("chromium",)}
    pruned = tidy(**kept, methods=("wanda",))
    textless = tidy(**kept, methods=("magnitude",))
    rounded = tidy(**kept, methods=("gptq",), sparsity=((0.0, "8-bit"), (0.0, "4-bit")))
    parts = [pruned, *(part[part["method"] != "dense"] for part in (textless, rounded))]
    frame = pd.concat(parts, ignore_index=True)
    frame = with_value(frame, 30.5, pattern="8-bit", metric="perplexity")
    frame = with_value(frame, 28.0, pattern="8-bit", metric="perplexity", calibration="en", language="de")
    return with_value(frame, 29.0, pattern="8-bit", metric="perplexity", calibration="de", language="de")


def study(frame: pd.DataFrame, **others):
    """What `answers` and the form ask of a study; no cell has tasks."""
    values = {"models": [MODEL], "languages": LANGUAGES, "calibration_mixtures": ["de+sw"], "bits": [4, 8]} | others
    return SimpleNamespace(
        parameters=Parameters.of(values), cells=lambda *parts: [], provenance=lambda *parts: provenance(frame)
    )


def run(found: list[data.Answer], frame: pd.DataFrame, about: str = "") -> data.Run:
    return data.Run(found, study(frame).parameters, provenance(frame), about)


@pytest.fixture(scope="module")
def frame():
    return planted()


@pytest.fixture(scope="module")
def found(frame):
    return data.answers(study(frame), frame)


def answer(found, **wanted) -> data.Answer:
    (one,) = [one for one in found if all(getattr(one.question, name) == value for name, value in wanted.items())]
    return one


def test_every_language_is_asked_about_with_every_budget_and_method(found):
    assert list(dict.fromkeys(one.question.language for one in found)) == LANGUAGES
    hows = [one.question.how for one in found if one.question.language == "de"]
    assert hows == [
        "at most 9 bits a weight: Magnitude, Wanda, GPTQ",
        "at most 8.125 bits a weight: GPTQ",
        "Magnitude 50%, 9 bits a weight",
        "Wanda 50%, 9 bits a weight",
        "GPTQ 4-bit, 4.125 bits a weight",
        "GPTQ 8-bit, 8.125 bits a weight",
    ]


def test_within_a_budget_methods_compete_and_the_planted_order_is_found(found):
    one = answer(found, language="de", how="at most 9 bits a weight: Magnitude, Wanda, GPTQ")
    assert len(one.ranked) == 3 * 4 + 1
    best, second = (one.ranked.iloc[place] for place in (0, 1))
    assert (best["method"], best["pattern"], best["calibration"]) == ("gptq", "8-bit", "en")
    assert second["calibration"] == "de" and second["behind"] == pytest.approx(100 * (29 / 28 - 1))
    half = 1.959964 * np.hypot(0.01, 0.01)  # both have a standard error of one hundredth
    assert second["low"] == pytest.approx(100 * np.expm1(np.log(29 / 28) - half), rel=1e-5)
    small = answer(found, language="de", how="at most 8.125 bits a weight: GPTQ")
    assert set(small.ranked["method"]) == {"gptq"}
    assert one.ranked["behind"].is_monotonic_increasing


def test_of_one_method_the_ranking_is_that_of_section_4_1(found, frame):
    expected = ranking(frame, LANGUAGES)
    for one in found:
        if one.method and one.question.how.startswith(("Wanda", "GPTQ")):
            first = one.ranked.iloc[0]
            rows = expected[
                (expected["language"] == one.question.language)
                & (expected["method"] == first["method"])
                & (expected["pattern"] == first["pattern"])
            ]
            assert one.ranked["calibration"].tolist() == rows["calibration"].tolist()
            for name in ("behind", "low", "high"):
                np.testing.assert_allclose(one.ranked[name] / 100, rows[name], rtol=1e-12)


def test_a_mixture_with_a_language_that_is_not_calibrated_in_is_no_choice(frame):
    asked = data.answers(study(frame, languages=["de", "en"], calibration_mixtures=[]), frame)
    assert not any("sw" in text.split("+") for one in asked for text in one.ranked["calibration"])
    assert any(data.NO_TEXT in set(one.ranked["calibration"]) for one in asked)


def candidates(**scores) -> pd.DataFrame:
    rows = [
        {"method": "wanda", "sparsity": 0.5, "pattern": "unstructured", "calibration": name, "scores": np.array(found)}
        for name, found in scores.items()
    ]
    return pd.DataFrame(rows)


def test_scores_are_compared_on_the_same_items():
    good, bad = [1.0, 1, 1, 1, 0, 1, 1, 1], [1.0, 0, 1, 0, 0, 1, 1, 0]
    ranked = data.compared_scores(candidates(sw=[bad], de=[good]), "de")
    assert ranked["calibration"].tolist() == ["de", "sw"]
    difference = np.subtract(good, bad)
    reach = 1.959964 * difference.std(ddof=1) / np.sqrt(8)
    second = ranked.iloc[1]
    assert second["behind"] == pytest.approx(100 * difference.mean())
    assert (second["low"], second["high"]) == pytest.approx(
        (100 * (difference.mean() - reach), 100 * (difference.mean() + reach)), rel=1e-5
    )


def test_draws_that_differ_widen_the_interval_of_scores():
    one, other = [1.0, 1, 1, 0, 1, 1, 0, 1], [1.0, 0, 1, 0, 0, 1, 0, 1]
    alike = data.compared_scores(candidates(de=[one, one], sw=[other, other]), "de").iloc[1]
    spread = candidates(de=[[1.0] * 8, [1, 1, 1, 0, 1, 0, 0, 0]], sw=[other, other])
    apart = data.compared_scores(spread, "de").iloc[1]
    assert apart["high"] - apart["low"] > 1.2 * (alike["high"] - alike["low"])


def test_equal_scores_are_said_to_be_equal_and_have_no_interval():
    same = [1.0, 0, 1, 1]
    ranked = data.compared_scores(candidates(de=[same], en=[same], sw=[[0.0, 0, 1, 1]]), "de")
    assert ranked["behind"].tolist() == [0, 0, 25] and ranked["low"].iloc[:2].isna().all()
    question = data.Question(MODEL, "de", "facts (F1)", "Wanda 50%, 9 bits a weight")
    one = data.Answer(question, True, True, "", ranked)
    said = form.said(one)
    assert said.startswith("Best: Wanda 50%, calibrated in DE, and 1 more that does just as well. That is the language")
    assert said.endswith(
        "With the next text, EN, the model has a score that is the same: which is better is undecided."
    )


def test_the_comparison_with_the_language_itself_is_corrected_for_the_number_of_texts():
    """Against a plain computation: Bonferroni over the other texts, the difference of scores on the same items."""
    stream = np.random.default_rng(0)
    own = (stream.random((3, 60)) < 0.3).astype(float)
    texts = {name: [(stream.random(60) < 0.5).astype(float)] for name in ("ar", "en", "es", "ru", "sw")}
    ranked = data.compared_scores(candidates(de=own, **texts), "de").set_index("calibration")
    for name, (scores,) in texts.items():
        difference = scores - own.mean(axis=0)
        variance = difference.var(ddof=1) / 60 + own.mean(axis=1).var(ddof=1) / 3
        reach = norm.isf(0.025 / 5) * np.sqrt(variance)
        found = ranked.loc[name, ["change", "change_low", "change_high"]].astype(float)
        mean = difference.mean()
        np.testing.assert_allclose(found, 100 * np.array([mean, mean - reach, mean + reach]), rtol=1e-9)
    assert ranked.loc["de", ["change", "change_low"]].isna().all() and ranked["draws"].to_dict()["de"] == 3


def test_of_perplexity_too_and_other_methods_are_no_texts(found):
    one = answer(found, language="de", how="at most 9 bits a weight: Magnitude, Wanda, GPTQ")
    compared = one.ranked[one.ranked["change"].notna()]
    assert set(compared["method"]) == {"gptq"} and set(compared["pattern"]) == {"8-bit"}
    assert one.texts == len(compared) == 3 and one.own == 1 and one.deciding == 0
    best = compared.iloc[0]
    reach = norm.isf(0.025 / 3) * np.hypot(0.01, 0.01)
    gap = np.log(28 / 29)
    wanted = 100 * np.expm1([gap, gap - reach, gap + reach])
    np.testing.assert_allclose(best[["change", "change_low", "change_high"]].astype(float), wanted, rtol=1e-5)


def test_a_lead_that_is_clear_alone_is_undecided_among_many_texts():
    """As in German: the best of the others is picked by looking, and that is paid for."""
    stream = np.random.default_rng(1)
    own = (stream.random(200) < 0.4).astype(float)
    better = own.copy()
    better[np.flatnonzero(own == 0)[:8]] = 1.0
    better[np.flatnonzero(own == 1)[:1]] = 0.0
    texts = {name: [own[::-1]] for name in ("ar", "en", "es", "fr", "it", "ja", "ko", "pl", "pt", "ru", "sw", "th")}
    question = data.Question(MODEL, "de", "facts (F1)", "Wanda 50%, 9 bits a weight")
    alone, among = (
        data.Answer(question, True, True, "", data.compared_scores(candidates(de=[own], zh=[better], **more), "de"))
        for more in ({}, texts)
    )
    assert alone.ranked["calibration"].iloc[alone.taken] == "zh" and deciding.verdict(alone) == "yes"
    assert "One of the two was drawn once: that holds for this draw." in form.said(alone)
    assert among.ranked["calibration"].iloc[0] == "zh" and among.ranked["low"].max() > 0
    assert among.taken == among.own and deciding.verdict(among) == "undecided"
    assert "corrected for 13 texts compared), but that ZH is better is undecided." in form.said(among)
    shown = form.plain_table([among]).iloc[0]
    assert shown[form.AGAINST].startswith("ZH: score 3.50 points higher (") and shown["clearly better"] == "undecided"
    assert shown["take"] == "DE"


@pytest.fixture(scope="module")
def soup(found, frame):
    return BeautifulSoup(form.chooser([run(found, frame)]).html, "html.parser")


def embedded(soup) -> dict:
    return json.loads(soup.find("script", type="application/json").string)


def test_what_the_page_embeds_is_what_the_records_say(soup, found, frame):
    """Every combination that can be selected leads to its answer, with the perplexities of the records."""
    held = embedded(soup)
    offered = {select["name"]: [one["value"] for one in select.select("option")] for select in soup.select("select")}
    names = {select["name"]: [one.text for one in select.select("option")] for select in soup.select("select")}
    assert offered["language"][-1] == "another" and names["language"][0] == "English (EN)"
    assert len(held["answers"]) == len(found)
    dense = frame[(frame["method"] == "dense") & (frame["metric"] == "perplexity")].set_index("language")["value"]
    by_question = {(form.name_label(one.question.language), *one.question[2:]): one for one in found}
    for key, one in held["answers"].items():
        model, language, measure, how = (
            names[field][offered[field].index(place)] for field, place in zip(form.FIELDS, key.split("."), strict=True)
        )
        assert held["notes"][one["note"]] == form.note(by_question[language, measure, how]) and model == MODEL
        code = re.search(r"\((\w+)\)$", language)[1].lower()
        for choice, value, behind, rank in one["rows"]:
            name = held["choices"][choice][0]
            text = re.search(r"calibrated in (\S+)$", name)
            rows = frame[(frame["language"] == code) & (frame["metric"] == "perplexity")]
            rows = rows[rows["calibration"] == (text[1].lower() if text else "")]
            label, setting = name.split(",")[0].split(" ")
            rows = rows[rows["method"] == label.lower()]
            rows = rows[rows["pattern"] == setting] if "bit" in setting else rows
            assert value.split(" ")[0] == f"{rows['value'].item() / dense[code]:.2f}"
            assert (behind == "–") == (rank == 1)


def test_a_ranking_is_cut_but_for_the_language_itself(found):
    one = answer(found, language="sw", how="at most 9 bits a weight: Magnitude, Wanda, GPTQ")
    places = form.listed_places(one)
    assert places[: form.SHOWN] == list(range(form.SHOWN)) and len(one.ranked) > form.SHOWN
    own = [place for place, text in enumerate(one.ranked["calibration"]) if text == "sw"]
    assert own[0] in places
    late = replace(one, ranked=pd.concat([one.ranked[one.ranked["calibration"] != "sw"], one.ranked.iloc[own[:1]]]))
    assert form.listed_places(late) == [*range(form.SHOWN), len(late.ranked) - 1]


def ranked(language: str, **change) -> data.Answer:
    """An answer about a language by perplexity: calibration -> how much more it is than with the language itself, and
    from where to where, in percent; the best first.
    """
    rows = [
        ("wanda", 0.5, "unstructured", text, "1.00", float(place), np.nan, np.nan, 3, *ends)
        for place, (text, ends) in enumerate(change.items())
    ]
    question = data.Question(MODEL, language, "perplexity", "Wanda 50%, 9 bits a weight")
    return data.Answer(question, True, False, "", pd.DataFrame(rows, columns=data.RANKED))


OWN = (np.nan, np.nan, np.nan)


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (ranked("de", en=(-0.2, -2, 3), sw=(-0.1, -2, 3), de=OWN), 2),
        (ranked("de", en=(-5.0, -9, -1), de=OWN), 0),  # English is clearly better
        (ranked("de", en=(-5.0, -12, 1), sw=(-4.0, -7, -1), de=OWN), 1),  # Swahili is, English not
        (ranked("de", en=(-5.0, np.nan, np.nan), de=OWN), 1),  # not known
        (ranked("de", de=OWN, en=(5.0, -1, 9)), 0),
        (ranked("zh", en=OWN, de=OWN), 0),  # not calibrated in
    ],
)
def test_the_language_itself_is_taken_unless_another_is_clearly_better(one, taken):
    assert one.taken == taken
    said = form.said(one)
    itself = one.ranked["calibration"].iloc[taken] == "de" and taken > 0
    assert (
        "Take Wanda 50%, calibrated in DE, the language itself: with EN the model has a perplexity" in said
    ) == itself
    assert ("clearly better." in said) == bool(one.clear.any())
    assert ("but that EN is better is not known" in said) == (itself and np.isnan(one.ranked["change_low"].iloc[0]))
    held = form.payload([run([one], planted())])
    (shown,) = held["answers"].values()
    assert "--calibration " + one.ranked["calibration"].iloc[taken] in held["choices"][shown["take"]][1]
    assert form.plain_table([one])["take"].tolist() == [one.ranked["calibration"].iloc[taken].upper()]


def test_nothing_in_the_embedded_answers_can_end_the_script(frame):
    named = frame.assign(model="</script><b>")
    html = form.chooser([run(data.answers(study(named), named), named)]).html
    assert html.count("</script>") == 1
    held = BeautifulSoup(html, "html.parser").find("script").string
    assert "'</script><b>'" in json.loads(held)["choices"][0][1]


def test_without_scripts_each_language_has_a_table_and_commands(found, frame):
    shown = form.plain_tables([run(found, frame)])
    soups = [BeautifulSoup(one.html, "html.parser") for one in shown]
    assert [one.summary.text for one in soups] == ["English (EN)", "German (DE)", "Swahili (SW)"]
    rows = soups[1].select("tbody tr")
    assert len(rows) == 6
    first = [cell.text for cell in rows[0].select("td")]
    assert first[:2] == ["at most 9 bits a weight: Magnitude, Wanda, GPTQ", "GPTQ 8-bit, calibrated in EN"]
    assert first[3].startswith("EN: perplexity 3.45% lower (") and first[4:] == ["yes", first[1]]
    lines = soups[1].pre.text.splitlines()
    assert len(lines) == 2 * 4 and all(line.startswith("# perplexity on ") for line in lines[::2])
    assert all(line.startswith(".venv/bin/calibprune ") for line in lines[1::2])
    form_soup = BeautifulSoup(form.chooser([run(found, frame)]).html, "html.parser")
    assert form_soup.form.has_attr("hidden") and form_soup.noscript


def choice(method, sparsity, pattern, calibration):
    return SimpleNamespace(method=method, sparsity=sparsity, pattern=pattern, calibration=calibration)


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (
            choice("wanda", 0.5, "unstructured", "de+sw"),
            "prune m --output pruned --method wanda --sparsity 0.5 --calibration de+sw --source 'file:{language}.txt' "
            "--samples 16 --length 64 --seed 3",
        ),
        (
            choice("sparsegpt", 0.5, "2:4", "de"),
            "prune m --output pruned --method sparsegpt --sparsity 2:4 --calibration de --source 'file:{language}.txt' "
            "--samples 16 --length 64 --seed 3",
        ),
        (
            choice("gptq", 0.0, "8-bit", "de"),
            "quantize m --output quantized --method gptq --bits 8 --group-size 32 --calibration de "
            "--source 'file:{language}.txt' --samples 16 --length 64 --seed 3",
        ),
        (
            choice("magnitude", 0.7, "unstructured", data.NO_TEXT),
            "prune m --output pruned --method magnitude --sparsity 0.7",
        ),
    ],
)
def test_the_command_does_what_the_study_did(chosen, line):
    parameters = Parameters.of(
        {"models": ["m"], "calibration_source": "file:{language}.txt", "calibration_samples": 16, "group_size": 32}
        | {"calibration_length": 64, "seeds": [3, 4]}
    )
    assert command(parameters, "m", chosen) == f".venv/bin/calibprune {line}"


def test_time_and_memory_are_those_of_the_cells():
    known = provenance(tidy(languages=("de",), methods=("wanda", "magnitude"), seeds=(0, 1)))
    known.loc[known["seed"] == 1, ["seconds_prune", "peak_memory_gb"]] = 50.0, 3.5
    said = cost(known, MODEL, choice("wanda", 0.5, "unstructured", "de"))
    for words in ("Pruning took 40 s, the mean of 2 draws, once", "at most 3.5 GB", "recorded on box."):
        assert words in said
    assert "took 30 s once" in cost(known, MODEL, choice("magnitude", 0.5, "unstructured", data.NO_TEXT))


@pytest.mark.parametrize(
    ("perplexity", "advice"),
    [(31.0, "**Quantize rather than prune at about"), (900.0, "**Prune rather than quantize at about")],
)
def test_the_first_sentence_says_what_the_records_say(frame, perplexity, advice):
    changed = with_value(frame, perplexity, pattern="8-bit", metric="perplexity")
    said = sentences.quantize_or_prune(at_memory(changed, "chromium", 128), "chromium")
    assert said.startswith(advice)
    wins = 3 if advice.startswith("**Quantize") else 0
    assert f"in {wins} of 3 languages against Wanda 50% (9)" in said and "Magnitude 50% (9)" in said
    assert said.endswith("but for Magnitude, which uses no text.")


def test_without_both_sides_the_first_sentence_decides_nothing():
    pruned = tidy(languages=LANGUAGES, methods=("wanda",), sources=("chromium",))
    assert sentences.quantize_or_prune(at_memory(pruned, "chromium", 128), "chromium") == sentences.UNDECIDED
    assert sentences.in_short({}, []).plain.endswith(sentences.UNDECIDED)


def test_what_the_box_counts(found, frame):
    said = sentences.own_language(found)
    rankings = [one for one in found if one.method and len(one.ranked) > 1]
    own = sum(one.question.language in one.ranked["calibration"].iloc[0].split("+") for one in rankings)
    assert f"of {len(rankings)} rankings by {TEXT}" in said and f"the language itself in {own}." in said
    better = sum(bool(one.clear.any()) for one in rankings)
    compared = sum(one.deciding is not None for one in rankings)
    assert f"clearly better than the language itself in {better} of {compared}, corrected" in said and better
    other = data.answers(study(frame, languages=["en", "sw"], calibration_mixtures=[]), frame)
    other = [one for one in other if one.question.language == "de"]
    assert "No language that this run measured" in sentences.own_language(other)


def test_one_window_tells_not_how_certain_a_difference_is(frame):
    alone = frame.assign(stderr=np.nan)
    one = answer(data.answers(study(alone), alone), language="de", how="GPTQ 8-bit, 8.125 bits a weight")
    assert one.taken == one.own == 1 and deciding.verdict(one) == "not known"
    assert form.said(one).endswith(
        "with EN the model has a perplexity 3.45% lower, but that EN is better is not known."
    )


def test_the_box_says_of_which_tests_it_counts_the_verdicts(frame, found):
    memory = {"chromium": at_memory(frame, "chromium", 128)}
    said = sentences.in_short(memory, found).plain
    assert "They are the tests of Section 4.6 at about equal memory, which are beyond the paper" in said


def test_the_data_has_every_choice_of_every_run_and_which_is_taken(found, frame):
    german = [one for one in found if one.question.language == "de"]
    further = run([replace(one, question=one.question._replace(language="th")) for one in german], frame)
    flat = data.flat([run(found, frame), further._replace(records="the atlas")])
    assert len(flat) == sum(len(one.ranked) for one in [*found, *german])
    assert set(flat.loc[flat["language"] == "th", "records"]) == {"the atlas"}
    assert flat.groupby(["records", *data.Question._fields])["taken"].sum().eq(1).all()
    notebook = (ROOT / "notebooks" / "i_have_a_language.ipynb").read_text(encoding="utf-8")
    assert "data=flat(runs)" in notebook, "the atlas's languages are among the data of the page"


def test_one_choice_and_no_dense_model(frame):
    rows = [record(MODEL, "wanda", 0.5, "unstructured", "de", 0, "perplexity", "chromium", "de", 50.0)]
    (one,) = data.answers(study(frame), pd.DataFrame(rows).astype({"layer": "Int64"}))
    assert one.ranked["value"].tolist() == ["–"] and "Nothing else was measured" in form.said(one)
    assert "(" not in form.note(one)
