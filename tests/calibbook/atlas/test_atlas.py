"""The atlas's page: read from frames with planted effects, and from a store; its rules, figures and sentences."""

import json
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
from atlas_frames import ALL, atlas_frame, facts_of, planted, predictions
from bs4 import BeautifulSoup
from drawing import draw
from frames import SEVEN

from calibbook.atlas import figures, prediction, records, sentences, tables
from calibbook.atlas.data import atlases, families, mixture_name
from calibbook.atlas.findings import findings
from calibbook.atlas.knowledge import BETTER, LESS, halves, rank_correlation
from calibbook.atlas.look import ALONE, group_colours
from calibbook.atlas.prediction import agreement, mean_rank_correlation, predicted, rank_interval
from calibbook.atlas.relatedness import BRANCH, SCRIPT, nearest, predictors
from calibbook.atlas.rules import (
    ADVISED,
    BEST,
    ENGLISH,
    FAMILY,
    FITTED,
    LEARNED,
    NEAREST,
    OWN,
    RANDOM,
    TOKENS,
    judged,
    losses,
    mixed,
)
from calibbook.atlas.text import bits_per_byte, bytes_per_token, fertility, overlap
from calibbook.checkout import ROOT
from calibprune.languages import LANGUAGES, describe
from calibprune.study.kept import Kept
from calibprune.study.parameters import Parameters

EVERYTHING = "+".join(ALL)
MIXTURES = (EVERYTHING, *("+".join(codes) for codes in families(ALL).values()))
PLANTED = {"branch": 0.6, "script": 0.3, "donors": {"en": -0.3, "th": 0.6}, "recipients": {"ml": 1.0}, "own": 0.8}


@pytest.fixture(scope="module")
def whole():
    """Findings of a planted atlas of 49 languages, one method and one text."""
    increase = planted(**PLANTED)
    frame = atlas_frame(increase, MIXTURES, methods=["wanda"], sources=["chromium"])
    predicted_losses = {"gemma3-270m": predictions(increase)}
    return findings(atlases(frame), {"gemma3-270m": facts_of(ALL)}, predicted_losses)


def test_every_method_and_text_has_its_atlas_in_logarithms():
    increase = planted(SEVEN)
    found = atlases(atlas_frame(increase, ["ar+de"], dense={code: 10.0 + ord(code[0]) for code in SEVEN}))
    assert [(atlas.source, atlas.block.method) for atlas in found] == [
        ("chromium", "wanda"),
        ("chromium", "sparsegpt"),
        ("udhr", "wanda"),
        ("udhr", "sparsegpt"),
    ]
    for atlas in found:
        np.testing.assert_allclose(atlas.values, increase)
        np.testing.assert_allclose(atlas.mixtures.loc["ar+de"], increase.loc[["ar", "de"]].mean())


def test_an_atlas_is_of_the_languages_that_are_calibrated_in_and_measured():
    frame = atlas_frame(planted(SEVEN), sources=["udhr"], methods=["wanda"])
    (atlas,) = atlases(frame[(frame["calibration"] != "zh") & (frame["language"] != "ar")])
    assert atlas.languages == ["de", "en", "es", "ru", "sw"] == list(atlas.increase.index)
    assert atlases(frame[frame["language"] == "de"]) == []
    assert atlases(frame[frame["metric"] == "snr_db"]) == []


def test_mixtures_are_named_by_what_they_are_of():
    assert mixture_name(EVERYTHING, ALL) == "all 49"
    assert mixture_name("hu+fi+et", ALL) == "family: Uralic"
    assert mixture_name("fi+et", ALL) == "fi+et"
    assert mixture_name("ar+de", ["ar", "de"]) == "all 2"
    assert "Turkic" not in families(ALL) and len(families(["xx", "yy"])) == 0


@pytest.mark.parametrize(
    ("target", "relatives"),
    [
        ("pt", {"ca", "es", "fr", "it", "ro"}),
        ("sr", {"bg", "ru", "uk"}),
        ("hu", {"et", "fi"}),
        ("fa", {"bn", "gu", "hi", "mr"}),
        ("ja", set(ALL) - {"ja"}),
    ],
)
def test_the_nearest_is_by_branch_then_script_then_family(target, relatives):
    assert set(nearest(ALL, target)) == relatives


def test_what_is_not_known_is_no_relation():
    assert nearest(["xx", "yy", "de"], "xx") == ["yy", "de"]


def test_every_rule_chooses_what_its_name_says():
    increase = planted(**PLANTED, noise=0.01)
    (atlas,) = atlases(atlas_frame(increase, MIXTURES, methods=["wanda"], sources=["chromium"]))
    known = facts_of(ALL)
    table = losses(atlas, predictors(ALL, known.overlap, known.fertility), increase)
    pt = increase["pt"]
    assert table.loc["pt", OWN] == pytest.approx(pt["pt"])
    assert table.loc["pt", BEST] == pytest.approx(pt.drop("pt").min())
    assert table.loc["pt", RANDOM] == pytest.approx(pt.drop("pt").mean())
    assert table.loc["pt", ENGLISH] == pytest.approx(pt["en"]) and np.isnan(table.loc["en", ENGLISH])
    assert table.loc["pt", NEAREST] == pytest.approx(pt[["ca", "es", "fr", "it", "ro"]].mean())
    assert table.loc["pt", TOKENS] == pytest.approx(pt[known.overlap["pt"].drop("pt").idxmax()])
    assert table.loc["pt", LEARNED] == pytest.approx(pt["en"])
    assert any(table.loc["pt", FITTED] == pytest.approx(pt[code]) for code in ("ca", "es", "fr", "it", "ro"))
    assert table.loc["pt", ADVISED] == pytest.approx(pt.drop("pt").min())
    assert table.loc["pt", mixed(49)] == pytest.approx(pt.mean())
    assert table.loc["fi", FAMILY] == pytest.approx(increase["fi"][["et", "fi", "hu"]].mean())
    assert np.isnan(table.loc["ja", FAMILY])


def test_rules_that_learn_never_see_the_target():
    """Whatever the target's own row and column hold, the choice for it is the same."""
    increase = planted(SEVEN, branch=0.5, donors={"en": -0.4})
    known = facts_of(SEVEN)
    named = predictors(list(SEVEN), known.overlap, known.fertility)

    def chosen(values: pd.DataFrame, rule: str) -> str:
        (atlas,) = atlases(atlas_frame(values, methods=["wanda"], sources=["udhr"]))
        loss = losses(atlas, named).loc["sw", rule]
        return next(code for code in SEVEN if values.loc[code, "sw"] == pytest.approx(loss))

    changed = increase.copy()
    changed["sw"] = -np.linspace(0, 3, 7)
    changed.loc["sw"] += 5 * np.random.default_rng(1).standard_normal(7)
    for rule in (LEARNED, FITTED):
        assert chosen(increase, rule) == chosen(changed, rule)


def test_regrets_and_their_intervals(whole):
    table = judged(whole[0].losses)
    assert table.loc[OWN, "regret"] < 0 < table.loc[NEAREST, "regret"] < table.loc[ENGLISH, "regret"]
    assert table.loc[ENGLISH, "n"] == 48 and table.loc[FAMILY, "n"] == 42
    for rule, row in table.iterrows():
        if not np.isnan(row["low"]):  # nothing is known of the spread where every regret is the same
            assert row["low"] <= row["regret"] <= row["high"], rule
    assert table["low"].notna().sum() >= len(table) - 1
    gaps = (whole[0].losses[NEAREST] - whole[0].losses[BEST]).sort_values()
    assert (gaps >= 0).all() and table.loc[NEAREST, "worst"] == gaps.index[-1]
    assert table.loc[NEAREST, "english_high"] < 0 < table.loc[NEAREST, "own_low"]


def test_planted_relations_are_explained(whole):
    found = whole[0].explained
    assert found.loc[BRANCH, "p"] < 0.01 and found.loc[SCRIPT, "p"] < 0.01
    assert found.loc[BRANCH, "alone_p"] < 0.01
    assert found.loc[BRANCH, "low"] < -PLANTED["branch"] < found.loc[BRANCH, "high"]


def test_the_map_of_any_size_is_drawn_and_said_in_words():
    for languages in (["de", "sw"], list(SEVEN[:3]), list(SEVEN), ALL):
        increase = planted(languages, branch=0.5, own=2.0)
        (atlas,) = atlases(atlas_frame(increase, methods=["wanda"], sources=["udhr"]))
        picture = figures.atlas_map(atlas)
        assert f"Heat map of {len(languages)} calibration languages" in picture.alt
        assert f"best calibration in {len(languages)} of {len(languages)} columns" in picture.alt
        labels = {text.get_text() for axis in picture.figure.axes for text in axis.get_yticklabels()}
        assert {figures.row_label(code) for code in languages} <= labels
        draw(picture)


def test_relatives_stand_beside_each_other_on_the_map():
    """Also where one of them is a donor of another rank."""
    languages = ["de", "es", "en", "fr", "nl", "it"]
    increase = planted(languages, branch=0.6, donors={"fr": 1.0}, recipients={"nl": -1.0}, noise=0.02)
    (atlas,) = atlases(atlas_frame(increase, methods=["wanda"], sources=["udhr"]))
    drawn = figures.atlas_map(atlas).figure.axes
    order = next([text.get_text() for text in axis.get_xticklabels()] for axis in drawn if axis.get_xlabel())
    assert {frozenset(order[:3]), frozenset(order[3:])} == {
        frozenset(["de", "en", "nl"]),
        frozenset(["es", "fr", "it"]),
    }


def test_labels_are_latin_letters_that_every_font_has():
    for code in LANGUAGES:
        assert max(figures.row_label(code)) <= "å"
    assert figures.row_label("xx") == f"xx {describe('xx').name}"


def test_groups_of_several_languages_have_colours_of_their_own():
    groups = [group for place in range(15) for group in [f"group {place}"] * (2 + place % 3)] + ["alone"]
    found = group_colours(groups)
    assert found.pop("alone") == ALONE
    assert len(set(found.values())) == 15 and ALONE not in found.values()


def test_halves_are_by_bits_per_byte():
    bits = pd.Series({code: float(place) for place, code in enumerate(ALL[:9])})
    found = halves(bits.sample(frac=1, random_state=0))
    assert found == {BETTER: ALL[:5], LESS: ALL[5:9]}
    assert halves(bits[:7]) == {}


def test_bits_per_byte_are_those_of_the_text_and_not_of_its_pieces():
    """A text of a hundred bytes that costs fifty bits, cut into ten tokens or into fifty."""
    coarse, fine = 2 ** (50 / 10), 2 ** (50 / 50)
    found = bits_per_byte(pd.Series({"a": coarse, "b": fine}), pd.Series({"a": 10.0, "b": 2.0}))
    assert found["a"] == pytest.approx(0.5) and found["b"] == pytest.approx(0.5)


def test_rank_correlations_have_intervals():
    x = np.arange(40.0)
    rho, low, high = rank_correlation(x, x + 8 * np.random.default_rng(0).standard_normal(40))
    assert 0.3 < low < rho < high <= 1
    assert np.isnan(rank_correlation(x[:5], x[:5])).all()


def test_predicted_against_measured():
    increase = planted(SEVEN, branch=0.5, own=1.0)
    opposite = [predictions(-increase, "sparsegpt"), predictions(-increase, "wanda", "0.6")]
    table = pd.concat([predictions(increase), *opposite])
    first, second, *_ = atlases(atlas_frame(increase))
    assert (first.block.method, second.block.method) == ("wanda", "sparsegpt")
    right = agreement(first, predicted(table, first))
    assert right["rho"].to_list() == pytest.approx([1] * 7) and (right["regret"] == 0).all()
    assert right.loc["de", "chosen"] == increase["de"].drop("de").idxmin()
    assert mean_rank_correlation(agreement(second, predicted(table, second)))[0] == pytest.approx(-1)
    assert predicted(table[table["sparsity"] == "0.6"], first) is None


def test_predictions_are_read_from_the_tables_that_advise_wrote(tmp_path):
    folder = tmp_path / "results" / "advice" / "gemma3-270m"
    folder.mkdir(parents=True)
    (folder / "wanda.csv").write_text(
        "method,sparsity,calibration,language,layer,component,value\n"
        "wanda,0.5,de,sw,,,0.25\nwanda,0.5,de,sw,0,mlp.down_proj,0.75\nwanda,2:4,de,sw,,,0.5\n"
    )
    found = prediction.read([Kept(tmp_path / "none"), Kept(tmp_path / "results")], "google/gemma3-270m")
    assert found.to_dict("records") == [
        {"method": "wanda", "sparsity": sparsity, "calibration": "de", "language": "sw", "value": value}
        for sparsity, value in (("0.5", 0.25), ("2:4", 0.5))
    ]
    assert prediction.read([Kept(tmp_path / "none")], "gemma3-270m").empty


def test_what_the_page_says_holds_the_planted_numbers(whole):
    said = " ".join(sentences.in_short(whole))
    assert "gemma3-270m with Wanda, calibrated in each of 49 languages" in said
    assert "nearest relative rather than English" in said
    assert "same branch (on 1 of 1" in said
    assert "English has place 1 " in sentences.english(whole)
    opposite = atlas_frame(planted(donors={"en": -2.0}, own=3.0), methods=["wanda"], sources=["udhr"])
    (found,) = findings(atlases(opposite), {"gemma3-270m": facts_of(ALL)})
    assert "English serves better than its nearest relative" in sentences.so_what([found])
    assert "None of the predictors" in sentences.explanation([found])


def test_every_table_has_its_cells(whole):
    for table, rows in (
        (tables.alone_table(whole), 5),
        (tables.together_table(whole), 5),
        (tables.donor_table(whole), 1),
        (tables.regret_table(whole), 10),
        (tables.cost_table(whole), 10),
        (tables.halves_table(whole), 10),
        (tables.bits_table(whole), 49),
        (tables.mixture_table(whole), 6),
        (tables.agreement_table(whole), 1),
    ):
        page = BeautifulSoup(table.html, "html.parser")
        assert len(page.select("tbody tr")) == rows, table.plain
        assert "nan" not in table.plain
    assert "1 of 49 (1 to 1)" in tables.donor_table(whole).plain


def test_texts_are_those_that_models_are_calibrated_with_and_measured_on(tiny_checkpoint, tiny_texts):
    model = str(tiny_checkpoint)
    p = Parameters.of(
        {
            "languages": ["de", "sw"],
            "calibration_source": tiny_texts,
            "calibration_samples": 4,
            "calibration_length": 32,
            "evaluation_source": tiny_texts,
            "evaluation_samples": 2,
            "evaluation_length": 32,
        }
    )
    assert fertility(p, model, ["de", "sw"]).to_list() == [1, 1]  # a token is a byte, and a byte a letter
    assert bytes_per_token(p, model, tiny_texts, ["de"])["de"] == 1
    shared = overlap(p, model, ["de", "sw"])
    assert shared.loc["de", "de"] == pytest.approx(1) and 0.2 < shared.loc["de", "sw"] < 0.95
    assert shared.loc["de", "sw"] == shared.loc["sw", "de"]


def test_the_page_counts_what_is_missing_and_names_the_command(tiny_checkpoint, tiny_texts, tmp_path):
    from calibprune import Study

    parameters = {
        "models": str(tiny_checkpoint),
        "methods": ["wanda"],
        "languages": ["de", "sw"],
        "calibration_source": tiny_texts,
        "calibration_samples": 2,
        "calibration_length": 32,
        "evaluation_source": tiny_texts,
        "evaluation_samples": 1,
        "evaluation_length": 32,
        "metrics": ["perplexity"],
        "device": "cpu",
        "dtype": "float32",
        "store": str(tmp_path / "results"),
    }
    study = Study(**parameters)
    assert "0 of its 3 models are done" in " ".join(records.missing(study))
    Study(**parameters | {"calibration_mixtures": ["de+sw"]}).run("mixtures", progress=False)
    assert "0 of its 3 models are done" in " ".join(records.missing(study))
    study.run(progress=False)
    assert records.missing(study) == []
    assert len(atlases(records.read(study))) == 1
    assert set(records.provenance(study)["id"]) == {cell.id for cell in records.cells(study)}
    (tmp_path / "results").rename(tmp_path / "published")
    study = Study(**parameters | {"shelves": str(tmp_path / "published")})
    assert records.missing(study) == []
    assert len(atlases(records.read(study))) == 1
    assert set(records.provenance(study)["id"]) == {cell.id for cell in records.cells(study)}
    shutil.rmtree(tmp_path / "published" / "cells" / study.cells()[-1].id)
    found = " ".join(records.missing(study))
    assert "2 of its 3 models are done" in found and "The 1 that are left take about" in found
    assert "no perplexity" in records.missing(Study(**parameters | {"metrics": ["masks"]}))[0]
    assert "two languages" in records.missing(Study(**parameters | {"languages": ["de"]}))[0]


def test_rank_intervals_hold_the_correlation_in_as_many_draws_as_they_say():
    """Of normal pairs with a known correlation, whose rank correlation is 6/π asin(ρ/2)."""
    random = np.random.default_rng(0)
    for rho in (0.3, 0.8):
        x = random.standard_normal((600, 40))
        y = rho * x + np.sqrt(1 - rho**2) * random.standard_normal(x.shape)
        true = 6 / np.pi * np.arcsin(rho / 2)
        found = [pd.Series(a).corr(pd.Series(b), method="spearman") for a, b in zip(x, y, strict=True)]
        ends = [rank_interval(value, 40) for value in found]
        assert 0.92 < np.mean([low <= true <= high for low, high in ends]) < 0.98
    assert np.isnan(rank_interval(1.0, 40)).all() and np.isnan(rank_interval(0.5, 3)).all()


def test_mixtures_are_ranked_with_the_languages_where_they_are_predicted():
    increase = planted(SEVEN, branch=0.5)
    (atlas,) = atlases(atlas_frame(increase, ["ar+de"], methods=["wanda"], sources=["udhr"]))
    alone = predictions(increase)
    loss = predicted(alone, atlas)
    assert list(loss.index) == [*SEVEN, "ar+de"] and loss.loc["ar+de"].isna().all()
    pd.testing.assert_frame_equal(agreement(atlas, loss, mixtures=True), agreement(atlas, loss))
    mixed_in = pd.concat([increase, atlas.mixtures - 9])
    found = agreement(atlas, predicted(predictions(mixed_in), atlas), mixtures=True)
    assert (found["chosen"] == "ar+de").all() and (found["rho"] < 1).any()


def test_the_prediction_is_drawn_and_said_for_every_text():
    increase = planted(SEVEN, branch=0.5)
    frame = atlas_frame(increase)
    opposite = pd.concat([predictions(increase), predictions(-increase, "sparsegpt")])
    found = findings(atlases(frame), {"gemma3-270m": facts_of(SEVEN)}, {"gemma3-270m": opposite})
    picture = figures.agreement_chart([(one.atlas, one.predicted) for one in found])
    assert len(picture.figure.axes) == 2
    assert "Wanda, on chromium: 1.00 in the middle" in picture.alt
    assert "SparseGPT, on udhr: −1.00 in the middle" in picture.alt
    said = sentences.prediction(found)
    assert "rank correlation of −1.00 to 1.00 (over 4 maps" in said and "nearest relative" in said


def test_what_the_page_says_recomputed_with_plain_loops(whole):
    """Rows, columns and rules of one planted atlas, without the page's own arithmetic."""
    (one,) = whole
    table, n = one.atlas.increase, len(ALL)
    regrets = []
    for target in ALL:
        if target != "en":
            best = min(table.loc[code, target] for code in ALL if code != target)
            regrets.append(table.loc["en", target] - best)
    assert judged(one.losses).loc[ENGLISH, "regret"] == pytest.approx(sum(regrets) / len(regrets))
    own = [table.loc[code, code] for code in ALL]
    others = [np.mean([table.loc[code, target] for code in ALL if code != target]) for target in ALL]
    gap = 100 * (np.exp(np.mean(others) - np.mean(own)) - 1)
    assert f"costs +{gap:.0f}% of perplexity" in sentences.own_text(whole)
    everything = [table.loc[MIXTURES[0].split("+"), target].mean() for target in ALL]
    assert sum(everything) / n == pytest.approx(one.losses[mixed(n)].mean())
    assert "worse on 1" in sentences.mixture(whole) and "beyond chance on 0 of 1 map" in sentences.mixture(whole)
    assert sentences.advised([one._replace(losses=one.losses.drop(columns=ADVISED))]) == ""
    best = one._replace(losses=one.losses.assign(**{ADVISED: one.losses[BEST]}))
    worst = one._replace(losses=one.losses.assign(**{ADVISED: table.max()}))
    assert "better than the relative beyond chance on 1 of 2 maps, and worse on 1" in sentences.advised([best, worst])
    hits = sum(all(table.loc[code, code] <= table.loc[other, code] for other in ALL) for code in ALL)
    assert f"best in {hits} of {n} languages" in sentences.own_text(whole)
    # donors by least squares on dummy variables, the last of each side left out
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    design = np.array([[1, *np.eye(n)[a], *np.eye(n)[b]] for a, b in pairs])
    fitted = np.linalg.lstsq(design, np.array([table.iloc[a, b] for a, b in pairs]), rcond=None)[0]
    donors = fitted[1 : n + 1]
    place = 1 + sum(donors < donors[ALL.index("en")])
    said = f"Among the {n} donors, the best one first, English has place {place} of {n} "
    assert sentences.english(whole).startswith(said)


def test_the_page_says_how_its_predictions_are_made():
    """The commands as the command line reads them: every language and mixture, with the text of the atlas."""
    parameters = Parameters.from_yaml(ROOT / records.STUDY)
    lines = prediction.commands(parameters)
    assert [line.split("--method ")[1].split()[0] for line in lines] == ["wanda", "sparsegpt"]
    for line in lines:
        words = shlex.split(line.split(" && ")[1])
        said = dict(zip(words[3::2], words[4::2], strict=True))
        assert words[:3] == [".venv/bin/calibprune", "advise", "gemma3-270m"]
        assert said["--target"].split(",") == ALL
        assert said["--candidates"].split(",") == [*ALL, *parameters.calibration_mixtures]
        assert (said["--samples"], said["--length"], said["--dtype"]) == ("49", "104", "bfloat16")
        assert said["--table"] == f"results/advice/gemma3-270m/{said['--method']}.csv"
    assert all(line in tables.how_to_predict(parameters).plain for line in lines)


def test_the_atlas_is_beside_a_study_of_its_model_that_has_all_its_records(
    tiny_checkpoint, tiny_texts, tmp_path, monkeypatch
):
    from calibprune import Study

    text = {"calibration_source": tiny_texts, "calibration_samples": 2, "calibration_length": 32}
    text |= {"evaluation_source": tiny_texts, "evaluation_samples": 1, "evaluation_length": 32}
    own = {"models": str(tiny_checkpoint), "metrics": ["perplexity"], "device": "cpu", "dtype": "float32"}
    atlas = own | text | {"methods": ["wanda"], "languages": ["de", "sw"], "store": "elsewhere"}
    (tmp_path / "atlas.yaml").write_text(json.dumps(atlas), encoding="utf-8")
    monkeypatch.setattr(records, "STUDY", str(tmp_path / "atlas.yaml"))
    study = Study(**own, languages=["de"], store=str(tmp_path / "results"))
    assert records.beside(study) is None
    Study(**atlas | {"store": str(tmp_path / "results")}).run(progress=False)
    found = records.beside(study)
    assert found.parameters.languages == ["de", "sw"] and len(records.read(found)) > 0
    assert records.beside(Study(**own | {"models": "gemma3-270m"}, store=str(tmp_path / "results"))) is None
