"""The nearest relative on the first page: its row, its sentence and its links, from the records of an atlas."""

from types import SimpleNamespace

import numpy as np
import pytest
from atlas_frames import ALL, atlas_frame, planted
from frames import tidy

from calibbook.atlas import records
from calibbook.atlas.data import atlases
from calibbook.atlas.relatedness import nearest
from calibbook.first_page import relatives
from calibbook.first_page.findings import findings
from calibbook.first_page.relatives import NEAREST, change, of_records
from calibbook.first_page.sentences import without_text
from calibbook.first_page.tables import OTHER_RECORDS, answer_table, languages_line
from calibbook.shared.verdicts import HELD, NOT_HELD, UNDECIDED
from calibbook.shared.words import fixed, number

ROW = f"{OTHER_RECORDS} {NEAREST}"
TARGETS = [code for code in ALL if code != "en"]


@pytest.fixture(scope="module")
def increase():
    return planted(branch=0.6, script=0.2, donors={"en": 0.3}, own=0.7)


@pytest.fixture(scope="module")
def kin(increase):
    return of_records(atlas_frame(increase), "chromium")


def own_page(methods=("wanda", "sparsegpt")):
    return findings(tidy(methods=methods, sources=("chromium",)), {}, 128)


def test_the_row_is_the_mean_over_languages_by_plain_loops(kin, increase):
    means = [np.mean([increase.loc[code, target] for code in nearest(ALL, target)]) for target in TARGETS]
    found = answer_table(own_page(), kin).plain
    (line,) = [line for line in found.splitlines() if line.strip().startswith(ROW)]
    ratio = fixed(float(np.exp(sum(means) / len(means))), 0, 2)
    assert line.count(ratio) == 2
    assert f"{fixed(float(np.exp(min(means))), 0, 2)} to {fixed(float(np.exp(max(means))), 0, 2)}" in line
    own = fixed(float(np.exp(np.mean([increase.loc[code, code] for code in TARGETS]))), 0, 2)
    english = fixed(float(np.exp(np.mean([increase.loc["en", code] for code in TARGETS]))), 0, 2)
    assert f"{own} with the target language and {english} with English (Wanda 50%)" in found
    assert "512 tokens of calibration text a model" in found and "not to be compared with the rows above" in found


def test_the_sentence_gives_effect_and_interval_and_english(kin, increase):
    said = without_text(kin)
    assert said.startswith("**Without text in the target language calibrate in its nearest relative:** ")
    relative = np.array([increase.loc[nearest(ALL, target), target].mean() for target in TARGETS])
    others = np.array([increase[target].drop(target).mean() for target in TARGETS])
    english = increase.loc["en", TARGETS].to_numpy()
    assert f"perplexity is {number(-100 * np.expm1((relative - others).mean()))}% lower with Wanda 50% (" in said
    more = number(100 * np.expm1((english - relative).mean()))
    assert f"English in the relative's place makes it {more}% higher with Wanda 50%" in said
    assert "in 48 languages of the atlas" in said


@pytest.mark.parametrize(("branch", "verdict"), [(0.6, HELD), (0.0, UNDECIDED), (-0.6, NOT_HELD)])
def test_the_verdict_is_that_of_the_interval(branch, verdict):
    kin = of_records(atlas_frame(planted(branch=branch, noise=0.3), methods=["wanda"], sources=["udhr"]), "chromium")
    assert kin.claims["verdict"].tolist() == [verdict] and kin.source == "udhr"
    middle, low, high = change(kin.rows, NEAREST, relatives.OTHERS)
    assert low < middle < high
    assert ("calibrate in its nearest relative" in without_text(kin)) == (verdict == HELD)


def test_without_an_atlas_nothing_is_added(monkeypatch):
    monkeypatch.setattr(records, "beside", lambda study: None)
    assert relatives.relatives(None, "chromium") is None
    assert without_text(None) == ""
    assert NEAREST not in answer_table(own_page()).plain
    study = SimpleNamespace(parameters=SimpleNamespace(evaluation_languages=["sw", "de"]))
    assert languages_line(study, None).plain == "Choose your language: German (DE), Swahili (SW)."


def test_a_column_that_the_atlas_has_not_is_left_empty(kin):
    other = kin._replace(rows=kin.rows[kin.rows["method"] == "wanda"])
    (line,) = [line for line in answer_table(own_page(), other).plain.splitlines() if line.strip().startswith(ROW)]
    assert line.count(" to ") == 1
    assert (
        OTHER_RECORDS
        not in answer_table(own_page(["wanda"]), kin._replace(rows=kin.rows[kin.rows["method"] != "wanda"])).plain
    )


def test_every_language_is_a_click_away(kin):
    study = SimpleNamespace(parameters=SimpleNamespace(evaluation_languages=["de"]))
    html = languages_line(study, kin).html
    assert html.count("<a ") == 49
    for code, label in (("pt", "Portuguese (PT)"), ("de", "German (DE)"), ("am", "Amharic (AM)")):
        assert f'<a href="i_have_a_language.html#language-{code}">{label}</a>' in html


def test_the_atlas_page_has_the_same_increase(kin, increase):
    first = atlases(atlas_frame(increase))[0]
    mine = kin.rows[kin.rows["method"] == "wanda"].set_index("language")
    for target in ("pt", "ja", "hu"):
        assert mine.loc[target, relatives.TARGET] == pytest.approx(first.increase.loc[target, target])
