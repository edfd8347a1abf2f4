"""Which choice is best for a language: rankings over methods and within one, by perplexity and by scores, and what the
page embeds of them.
"""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from frames import provenance, record, tidy, with_value

from calibbook.i_have_a_language import data, form, sentences
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
    assert one.told_apart == (second["low"] > 0)
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
    ranked = data.compared_scores(candidates(sw=[bad], de=[good]))
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
    alike = data.compared_scores(candidates(de=[one, one], sw=[other, other])).iloc[1]
    apart = data.compared_scores(candidates(de=[[1.0] * 8, [1, 1, 1, 0, 1, 0, 0, 0]], sw=[other, other])).iloc[1]
    assert apart["high"] - apart["low"] > 1.2 * (alike["high"] - alike["low"])


def test_equal_scores_are_said_to_be_equal_and_have_no_interval():
    same = [1.0, 0, 1, 1]
    ranked = data.compared_scores(candidates(de=[same], en=[same], sw=[[0.0, 0, 1, 1]]))
    assert ranked["behind"].tolist() == [0, 0, 25] and ranked["low"].iloc[:2].isna().all()
    question = data.Question(MODEL, "de", "facts (F1)", "Wanda 50%, 9 bits a weight")
    one = data.Answer(question, True, True, "", ranked)
    assert form.said(one) == "Best: Wanda 50%, calibrated in DE, and 1 more that does just as well."


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
    for key, one in held["answers"].items():
        model, language, measure, how = (
            names[field][offered[field].index(place)] for field, place in zip(form.FIELDS, key.split("."), strict=True)
        )
        assert one["note"].startswith(f"{language}, {measure}, {how}: ") and model == MODEL
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
    late = one._replace(ranked=pd.concat([one.ranked[one.ranked["calibration"] != "sw"], one.ranked.iloc[own[:1]]]))
    assert form.listed_places(late) == [*range(form.SHOWN), len(late.ranked) - 1]


def ranked(language: str, **behind) -> data.Answer:
    """An answer about a language: calibration -> how much worse than the best, and from where to where, in percent."""
    rows = [("wanda", 0.5, "unstructured", text, "1.00", *ends) for text, ends in behind.items()]
    question = data.Question(MODEL, language, "perplexity", "Wanda 50%, 9 bits a weight")
    return data.Answer(question, True, False, "", pd.DataFrame(rows, columns=data.RANKED))


NONE = (0.0, np.nan, np.nan)


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (ranked("de", en=NONE, sw=(0.1, -2, 3), de=(0.2, -2, 3)), 2),
        (ranked("de", en=NONE, de=(5.0, 1, 9)), 0),  # clearly worse
        (ranked("de", en=NONE, de=(5.0, np.nan, np.nan)), 0),  # not known
        (ranked("de", de=NONE, en=(5.0, -1, 9)), 0),
        (ranked("zh", en=NONE, de=(0.2, -2, 3)), 0),  # not calibrated in
    ],
)
def test_the_language_itself_is_taken_unless_another_is_clearly_better(one, taken):
    assert one.taken == taken
    said = form.said(one)
    assert ("Take Wanda 50%, calibrated in DE, the language itself: it has 0.200% more" in said) == (taken > 0)
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
    assert first[3] == "GPTQ 8-bit, calibrated in DE" and first[4].startswith("3.57% more (")
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
    assert f"of {len(rankings)} rankings by {TEXT}" in said and f"the language itself in {own};" in said
    assert f"in {sum(one.told_apart for one in rankings)} the best" in said
    other = data.answers(study(frame, languages=["en", "sw"], calibration_mixtures=[]), frame)
    other = [one for one in other if one.question.language == "de"]
    assert "No language that this run measured" in sentences.own_language(other)


def test_one_window_tells_not_how_certain_a_difference_is(frame):
    alone = frame.assign(stderr=np.nan)
    one = answer(data.answers(study(alone), alone), language="de", how="GPTQ 8-bit, 8.125 bits a weight")
    assert not one.told_apart
    assert form.said(one).endswith("calibrated in DE, has 3.57% more: how certain that is, is not known.")


def test_one_choice_and_no_dense_model(frame):
    rows = [record(MODEL, "wanda", 0.5, "unstructured", "de", 0, "perplexity", "chromium", "de", 50.0)]
    (one,) = data.answers(study(frame), pd.DataFrame(rows).astype({"layer": "Int64"}))
    assert one.ranked["value"].tolist() == ["–"] and "Nothing else was measured" in form.said(one)
    assert "(" not in form.note(one).partition(": ")[2]
