"""Formulas as MathML (book/_ext/formulas.py): what latex2mathml leaves to be put right, and the font."""

from xml.etree import ElementTree

import formulas
import pytest
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError


def parsed(latex: str, block: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(formulas.mathml(latex, block))


def sign(latex: str, text: str, block: bool = False) -> ElementTree.Element:
    """The only element of a formula with this text."""
    (found,) = (one for one in parsed(latex, block).iter() if one.text == text)
    return found


def test_a_formula_keeps_its_latex_for_what_cannot_show_it():
    assert parsed(r"x_t \mid x_{<t}").get("alttext") == r"x_t \mid x_{<t}"
    assert (parsed("x").get("display"), parsed("x", block=True).get("display")) == ("inline", "block")


@pytest.mark.parametrize(
    ("latex", "drawn"),
    [(r"\mathbf{X}", "𝐗"), (r"\mathbf{1}", "𝟏"), (r"\boldsymbol\mu", "𝝁"), (r"\boldsymbol\Gamma", "𝚪")],
)
def test_bold_letters_are_signs_of_their_own(latex, drawn):
    assert "mathvariant" not in sign(latex, drawn).attrib


def test_capital_greek_letters_are_upright_and_small_ones_are_not():
    assert sign(r"\Delta", "Δ").get("mathvariant") == "normal"
    assert sign(r"\delta", "δ").get("mathvariant") is None


def test_an_upright_name_is_one_word():
    assert sign(r"\mathrm{SNR} = 3", "SNR").tag == "mi"


@pytest.mark.parametrize(
    ("latex", "form"),
    [("a = -2", "prefix"), ("(1, -2)", "prefix"), ("a - b", None), ("(a) - b", None), ("|a| - b", None)],
)
def test_a_minus_after_an_operator_belongs_to_what_follows(latex, form):
    assert sign(latex, "−").get("form") == form


@pytest.mark.parametrize(("latex", "bar"), [(r"\lVert x \rVert_2 + \lVert y \rVert", "‖"), ("|x| + |y|", "|")])
def test_bars_enclose_and_are_as_high_as_a_letter(latex, bar):
    bars = [one for one in parsed(latex).iter() if one.text == bar]
    assert [one.get("form") for one in bars] == ["prefix", "postfix"] * 2
    assert {one.get("stretchy") for one in bars} == {"false"}


def test_a_single_bar_is_no_bracket():
    assert sign("p(a|b)", "|").get("form") is None


def test_brackets_of_a_matrix_are_as_high_as_itself():
    formula = parsed(r"\frac{1}{2} \begin{pmatrix} 1 \\ 2 \end{pmatrix}")
    (matrix,) = (row for row in formula.iter("mrow") if row.find("mtable") is not None)
    assert [one.tag for one in matrix] == ["mo", "mtable", "mo"]
    assert all(bracket.get("stretchy") != "false" for bracket in matrix.findall("mo"))


def test_columns_stand_where_latex_sets_them():
    def alignments(latex):
        return [cell.get("style").split(";")[0] for cell in parsed(latex).iter("mtd")]

    assert alignments(r"\begin{cases} 0 & a \end{cases}") == ["text-align: left"] * 2
    assert alignments(r"\begin{pmatrix} 0 & 1 \end{pmatrix}") == ["text-align: center"] * 2
    assert alignments(r"a &= b \\ &= c") == ["text-align: right", "text-align: left"] * 2


def test_an_accent_is_close_to_its_letter():
    formula = parsed(r"\tilde{h}")
    assert next(formula.iter("mover")).get("accent") == "true"
    assert sign(r"\tilde{h}", "\u02dc").get("stretchy") == "false"


@pytest.mark.parametrize(("latex", "above"), [("M'", None), (r"M'^\top", "⊤")])
def test_a_prime_is_not_made_smaller(latex, above):
    formula = parsed(latex)
    assert "M′" in ["".join(row.itertext()) for row in formula.iter("mrow")]
    assert ["".join(one[1].itertext()) for one in formula.iter("msup")] == [above] * (above is not None)


def test_limits_are_below_where_there_is_room():
    assert next(parsed(r"\min_x f", block=True).iter("munder"))[0].text == "min"
    assert next(parsed(r"\min_x f").iter("msub"))[0].text == "min"


def test_names_of_functions_keep_their_distance_from_letters_alone():
    assert sign(r"10 \log_{10} x", "log").get("lspace") == formulas.SPACE
    assert sign(r"a = \log x", "log").get("lspace") == "0"
    assert sign(r"\exp(x)", "exp").get("rspace") == "0"


@pytest.mark.parametrize("latex", [r"\nosuchthing x", r"\frac{1}", r"\bigl\lVert x \bigr\rVert"])
def test_what_is_not_known_stops_the_build_and_is_named(latex):
    with pytest.raises(ExtensionError) as error:
        formulas.mathml(latex)
    assert f"the formula {latex} cannot be written as MathML" in str(error.value)


def test_the_font_has_the_slanted_sign_of_a_letter_and_what_grows(tmp_path):
    wanted = formulas.signs(formulas.mathml(r"h \le \left( N \right)"))
    assert {ord("ℎ"), ord("𝑁"), ord("("), ord("√"), ord("≤")} <= wanted
    formulas.write_font(wanted, tmp_path / "font.woff")
    with TTFont(tmp_path / "font.woff") as font:
        assert wanted <= set(font.getBestCmap())
        assert "MATH" in font
        assert "SIL Open Font License" in font["name"].getDebugName(13)
        grows = font["MATH"].table.MathVariants.VertGlyphCoverage.glyphs
        assert font.getBestCmap()[ord("(")] in grows


def test_a_sign_that_the_font_has_not_got_stops_the_build(tmp_path):
    with pytest.raises(ExtensionError, match="no 中"):
        formulas.write_font({0x4E2D}, tmp_path / "font.woff")
    assert not list(tmp_path.iterdir())
