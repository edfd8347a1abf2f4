"""How pages write languages, and what they say where calibration and evaluation languages differ."""

from types import SimpleNamespace

import pytest

from calibbook.shared.languages import (
    code_label,
    fixed_order,
    language_table,
    left_out,
    name_label,
    targets_missing,
    text_label,
)
from calibbook.shared.palette import look, looks
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES


def study(languages, evaluation_languages, mixtures=()):
    parameters = SimpleNamespace(
        languages=languages, evaluation_languages=evaluation_languages, calibration_mixtures=mixtures
    )
    return SimpleNamespace(parameters=parameters)


@pytest.mark.parametrize(
    ("code", "label", "name"),
    [
        ("de", "DE", "German (DE)"),
        ("fil", "FIL", "Filipino (FIL)"),
        ("pt-PT", "pt-PT", "Portuguese (Portugal) (pt-PT)"),
        ("zho_Hans", "zho_Hans", "Chinese (Simplified) (zho_Hans)"),
        ("xx", "XX", "XX"),
    ],
)
def test_a_code_and_a_name(code, label, name):
    assert (code_label(code), name_label(code)) == (label, name)


def test_mixtures_of_many_languages_are_short():
    assert text_label("de+pt-PT") == "DE+pt-PT"
    assert text_label("+".join(fixed_order())) == "AR+DE+…+VI (49)"


def test_every_language_of_the_table_has_a_look_of_its_own_and_the_paper_s_seven_have_the_first():
    assert sorted(fixed_order()) == sorted(LANGUAGES)
    found = looks([*LANGUAGES, "yo", "zu"], fixed_order())
    assert len({(style.colour, style.marker) for style in found.values()}) == 51
    assert [found[code] for code in PAPER_LANGUAGES] == [look(place) for place in range(7)]
    assert looks(["vi"], fixed_order())["vi"] == found["vi"]


def test_what_cannot_be_compared_is_said_only_where_evaluation_languages_were_not_calibrated_in():
    assert targets_missing(study(["de", "sw"], ["sw"])) == "" == targets_missing(study(["de"], ["de"]))
    assert targets_missing(study(["fr", "pt"], ["vi"])).startswith(
        "**No evaluation language is a calibration language**"
    )
    some = targets_missing(study(["fr", "pt"], ["pt", "vi"]))
    assert some.endswith("that were calibrated in as well: Portuguese (PT).") and "**" not in some
    assert "measured in 49 languages" in targets_missing(study(["xx"], list(LANGUAGES)))


def test_languages_outside_the_table_have_a_name_and_nothing_else():
    rows = language_table(study(["de", "yo"], ["yo", "th"], ["de+sw"])).set_index("language")
    assert list(rows.index) == ["DE", "SW", "TH", "YO"]
    assert rows.loc["YO"].tolist() == ["Yoruba", "not known", "not known", "not known", "calibration and evaluation"]
    assert rows.loc["SW", "used for"] == "mixtures" and rows.loc["DE", "used for"] == "calibration and mixtures"
    assert left_out(["yo", "de", "pt-PT", "yo"], "script") == "left out, script not known: YO and pt-PT"
    assert left_out(["de"], "family") == ""
