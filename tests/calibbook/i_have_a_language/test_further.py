"""Languages that the study itself did not measure: their answers come from the atlas, and say so."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from atlas_frames import ALL, atlas_frame, planted
from bs4 import BeautifulSoup
from frames import provenance, tidy

from calibbook.atlas import records
from calibbook.checkout import ROOT
from calibbook.i_have_a_language import data, form, further, sentences
from calibprune.study.parameters import Parameters

OWN = ("de", "sw")
EVERYTHING = "+".join(ALL)


def of(frame: pd.DataFrame, parameters: Parameters):
    return SimpleNamespace(
        parameters=parameters, cells=lambda *parts: [], provenance=lambda *parts: provenance(frame), frame=frame
    )


@pytest.fixture(scope="module")
def increase():
    return planted(branch=0.5, script=0.2, own=0.4)


@pytest.fixture(scope="module")
def atlas(increase):
    parameters = Parameters.from_yaml(ROOT / records.STUDY)
    return of(atlas_frame(increase, [EVERYTHING, "et+fi+hu"]), parameters)


@pytest.fixture(scope="module")
def study():
    frame = tidy(languages=OWN, methods=("wanda",), sources=("chromium",))
    return of(frame, Parameters.of({"languages": list(OWN), "methods": ["wanda"], "calibration_mixtures": []}))


@pytest.fixture(scope="module")
def runs(study, atlas):
    found = data.answers(study, study.frame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "beside", lambda _: atlas)
        patch.setattr(records, "read", lambda one: one.frame)
        run = further.from_the_atlas(study, found)
    return [data.Run(found, study.parameters, study.provenance()), run]


def test_the_atlas_answers_for_all_other_languages_and_for_no_other(runs):
    own, atlas = runs
    assert {one.question.language for one in own.answers} == set(OWN)
    assert {one.question.language for one in atlas.answers} == set(ALL) - set(OWN)
    hows = {one.question.how for one in atlas.answers}
    assert hows == {
        "at most 9 bits a weight: Wanda, SparseGPT",
        "Wanda 50%, 9 bits a weight",
        "SparseGPT 50%, 9 bits a weight",
    }


@pytest.mark.parametrize("code", ["pt", "am", "th"])
def test_its_choices_are_ranked_by_its_records_and_without_intervals(runs, increase, code):
    (one,) = [
        one
        for one in runs[1].answers
        if one.question[1:] == (code, "perplexity on udhr", "SparseGPT 50%, 9 bits a weight")
    ]
    mixtures = {text: increase.loc[text.split("+"), code].mean() for text in (EVERYTHING, "et+fi+hu")}
    wanted = pd.concat([increase[code], pd.Series(mixtures)]).sort_values()
    assert one.ranked["calibration"].tolist() == wanted.index.tolist()
    np.testing.assert_allclose(one.ranked["behind"], 100 * np.expm1(wanted.to_numpy() - wanted.iloc[0]), atol=1e-6)
    assert one.ranked[["low", "high"]].isna().all(axis=None)
    assert "not known" in form.said(one) and "±" not in form.note(one)
    assert one.taken == one.own and one.ranked["calibration"].iloc[one.taken] == code
    assert one.elsewhere == f"By perplexity on chromium it is number 1 of {len(wanted)}."


def test_it_says_what_it_rests_on(runs, atlas):
    about = runs[1].about
    assert "a study of 49 languages" in about and "one draw of 512 tokens" in about
    assert "perplexity on 254 tokens of a text, in 2 windows" in about and "no interval" in about
    many = of(atlas.frame, Parameters.of(atlas.parameters.model_dump() | {"evaluation_samples": 8}))
    assert "no interval" not in further.about(atlas.frame, many)
    assert further.without_guesses(atlas.frame, many)["stderr"].notna().any()
    assert further.without_guesses(atlas.frame, atlas)["stderr"].isna().all()


def test_the_chooser_offers_every_language_by_name_and_stays_small(runs):
    chooser = form.chooser(runs)
    soup = BeautifulSoup(chooser.html, "html.parser")
    options = soup.select("select[name=language] option")
    names = [one.text for one in options]
    assert len(names) == 50 and names[-1] == "another" and names[:-1] == sorted(names[:-1])
    assert {"language-pt", "language-de", "language-am"} <= {one.get("data-anchor") for one in options}
    ways = [one.text for one in soup.select("select[name=how] option")]
    assert [one.startswith(data.BUDGET) for one in ways] == [True, False, False]
    held = json.loads(soup.find("script", type="application/json").string)
    assert held["about"] == ["", runs[1].about]
    of_atlas = {held["choices"][one["take"]][1] for one in held["answers"].values() if one["run"] == 1}
    for text in of_atlas:  # both ways, each below what it is for
        assert [line.split()[1] for line in text.splitlines() if not line.startswith("#")] == ["quantize", "prune"]
    of_study = {held["choices"][one["take"]][1] for one in held["answers"].values() if one["run"] == 0}
    assert not any("\n" in text for text in of_study)
    place = {one.get("data-anchor"): one["value"] for one in options}
    by_language = {key.split(".")[1]: one["run"] for key, one in held["answers"].items()}
    assert by_language[place["language-de"]] == 0 and by_language[place["language-am"]] == 1
    (opened,) = soup.select("option[selected]")
    assert by_language[opened["value"]] == 0, "the page opens with an answer of its own study"
    size = len(chooser.html) + sum(len(table.html) for table in form.plain_tables(runs))
    assert size < 700_000


def test_commands_calibrate_as_the_run_did_that_answers(runs):
    soups = {one.summary.text: one for one in (BeautifulSoup(t.html, "html.parser") for t in form.plain_tables(runs))}
    assert len(soups) == 49
    portuguese, german = soups["Portuguese (PT)"], soups["German (DE)"]
    assert "From the atlas" in portuguese.caption.text and "From the atlas" not in german.caption.text
    lines = [line for line in portuguese.pre.text.splitlines() if not line.startswith("#")]
    assert "It measured no quantization" in portuguese.caption.text
    assert [line.split()[1] for line in lines] == ["quantize", "prune", "prune"]
    assert "--method gptq --bits 8 --group-size" in lines[0] and "--output quantized" in lines[0]
    assert {line.split("--method ")[1].split()[0] for line in lines[1:]} == {"wanda", "sparsegpt"}
    assert all("--calibration pt --source chromium --samples 49 --length 104 --seed 0" in line for line in lines)
    assert "--samples 49" not in german.pre.text


def test_the_box_says_for_how_many_languages_the_atlas_answers(runs):
    said = sentences.further_languages(runs[1])
    assert said.startswith("For 47 further languages the atlas answers") and "of its 188 rankings" in said
    own = sum(one.ranked["calibration"].iloc[0] == one.question.language for one in runs[1].answers if one.method)
    assert f"the language itself in {own}," in said
    assert (
        "The one to take is the language itself in 188: that another text is better is undecided or not known." in said
    )
    assert sentences.further_languages(None) == ""


def test_its_languages_are_in_the_data_of_the_page(runs):
    flat = data.flat(runs)
    assert set(flat["language"]) == set(ALL) and set(flat["records"]) == {"this study", "the atlas"}
    assert set(flat.loc[flat["records"] == "the atlas", "language"]) == set(ALL) - set(OWN)
    assert (flat.loc[flat["taken"] & (flat["records"] == "the atlas")].eval("calibration == language")).all()


def test_without_an_atlas_nothing_is_added(study, atlas, monkeypatch):
    monkeypatch.setattr(records, "beside", lambda _: None)
    assert further.from_the_atlas(study, []) is None
    monkeypatch.setattr(records, "beside", lambda _: atlas)
    monkeypatch.setattr(records, "read", lambda one: one.frame)
    assert further.from_the_atlas(atlas, data.answers(atlas, atlas.frame)) is None
