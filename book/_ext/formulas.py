"""Sphinx extension: formulas are MathML, written when the book is built, in a font that comes with it.

Browsers and screen readers know MathML, so that a page loads no program for its formulas. LaTeX is converted by
latex2mathml. What browsers do not take from attributes any more (MathML Core), or would space otherwise than LaTeX, is
put right here. The font is STIX Two Math with the signs that the book uses.
"""

import re
import unicodedata
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import latex2mathml.converter
from docutils.nodes import SkipNode
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number

STIX = Path(find_spec("ziamath").origin).with_name("fonts") / "STIXTwoMath-Regular.ttf"
NOTICES = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
"""What a font says about itself: its names, and whose it is under which licence, which must go with it."""

FONT = Path("_static", "formulas.woff")
"""In the built book; book/_static/study.css names it."""

FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
ENVIRONMENT, LINE = re.compile(r"\\begin\{(\w+)\}.*?\\end\{\1\}", re.DOTALL), r"\\"
BARS, OPENING, CLOSING = "|‖", "([{⌊⌈", ")]}⌋⌉"
SIGNS, PRIME = "−+±", "′"
SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
ACCENTS = {"~": "\u02dc", "^": "\u02c6", "¯": "\u00af", "→": "\u2192"}
SPACE = "0.17em"
"""What LaTeX sets around the name of a function."""

LIMITS = {"min", "max", "lim", "⋂", "⋃"}
"""What has its indices below and above it where there is room."""

ROOT = ord("√")
SLANTED = {"h": "\u210e"}
"""Signs that are not where their alphabet is."""


def mathml(latex: str, block: bool = False) -> str:
    """A formula as MathML, with its LaTeX as the text for what cannot show it.

    Raises:
        ExtensionError: what it says is not known to latex2mathml.
    """
    lines = LINE in ENVIRONMENT.sub("", latex)
    try:
        written = latex2mathml.converter.convert(
            rf"\begin{{split}}{latex}\end{{split}}" if lines else latex, display="block" if block else "inline"
        )
        formula = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", written))
    except Exception as error:  # of many kinds, some of them bare Exception
        raise ExtensionError(f"the formula {latex} cannot be written as MathML: {error!r}") from error
    unknown = [sign.text for sign in formula.iter() if re.match(r"\\\w", sign.text or "")]
    if any(len(group) != PARTS.get(group.tag, len(group)) for group in formula.iter()):
        raise ExtensionError(f"the formula {latex} cannot be written as MathML: something lacks a part")
    if unknown:
        raise ExtensionError(f"the formula {latex} cannot be written as MathML: {', '.join(unknown)} is not known")
    formula.set("alttext", latex)
    _set_letters(formula)
    _set_primes(formula)
    _set_fences(formula)
    for group in list(formula.iter()):
        if block:
            _set_limits(group)
        _set_operators(group)
        if group.tag == "mover":
            _set_accent(group)
        if group.tag == "mtable":
            _set_columns(group)
    return ElementTree.tostring(formula, encoding="unicode", short_empty_elements=False)


def _set_letters(formula: Element) -> None:
    """Bold and slanted letters are signs of their own, capital Greek letters are upright, and the letters of one
    upright name are one.
    """
    for sign in formula.iter():
        capital = sign.tag == "mi" and "GREEK CAPITAL" in unicodedata.name((sign.text or " ")[0], "")
        variant = sign.get("mathvariant", "normal")
        if capital:
            variant = variant.removesuffix("-italic")
        if variant != "normal":
            sign.text = "".join(_styled(letter, variant) for letter in sign.text)
            del sign.attrib["mathvariant"]
        elif capital:
            sign.set("mathvariant", "normal")
    for group in formula.iter("mrow"):
        for first, second in reversed(list(pairwise(group))):
            if all(one.get("mathvariant") == "normal" for one in (first, second)):
                first.text += second.text
                group.remove(second)


def _styled(letter: str, variant: str) -> str:
    """The sign for a letter or digit in a style such as "bold-italic"; where there is none, the letter."""
    name = unicodedata.name(letter, "").replace(" LETTER", "").replace("GREEK ", "").replace("LATIN ", "")
    try:
        return unicodedata.lookup(f"MATHEMATICAL {variant.replace('-', ' ').upper()} {name}")
    except KeyError:
        return SLANTED.get(letter, letter) if variant == "italic" else letter


def _set_primes(formula: Element) -> None:
    """A prime follows its letter as it is: in fonts it is as small and high as it should be."""
    for group in formula.iter("msup"):
        base, above = group
        prime = above[0] if len(above) else above
        if prime.text == PRIME:
            primed = Element("mrow")
            primed.extend([base, prime])
            prime.tag = "mo"
            prime.attrib.update(form="postfix", lspace="0", rspace="0")
            if prime is above:
                group.tag = "mrow"
                group[:] = [primed]
            else:
                above.remove(prime)
                group[0] = primed


def _set_fences(formula: Element) -> None:
    """Brackets and bars belong to what they enclose, and bars are as high as a letter unless \\left and \\right ask for
    more. Of the bars of a formula every second one closes; a single one, as in p(a|b), stays what it is.
    """
    signs = [sign for sign in formula.iter() if sign.tag in ("mi", "mo") and sign.text and not sign.get("fence")]
    for sign in signs:
        if sign.text in OPENING + CLOSING:
            sign.tag = "mo"
            sign.set("form", "prefix" if sign.text in OPENING else "postfix")
            if sign.text in "⌊⌋⌈⌉":
                sign.set("stretchy", "false")
    for sign in formula.iter("mo"):
        if sign.text and sign.text in OPENING + CLOSING and not sign.get("form"):  # of a size that was asked for
            sign.set("form", "prefix" if sign.text in OPENING else "postfix")
    for group in list(formula.iter()):
        for table in group.findall("mtable"):
            _enclose(group, list(group).index(table))
    for bar in BARS:
        found = [sign for sign in signs if sign.text == bar]
        for number, sign in enumerate(found if len(found) % 2 == 0 else []):
            form = "postfix" if number % 2 else "prefix"
            sign.attrib.update(form=form, stretchy="false", lspace="0", rspace="0")


def _enclose(group: Element, at: int) -> None:
    """A matrix and its brackets are a row of their own, or else they are as high as the highest in the formula."""
    if 0 < at < len(group) - 1 and group[at - 1].get("form") == "prefix" and group[at + 1].get("form") == "postfix":
        matrix = Element("mrow")
        matrix.extend(group[at - 1 : at + 2])
        group[at - 1 : at + 2] = [matrix]


def _set_limits(group: Element) -> None:
    over = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
    if group.tag in over and group[0].text in LIMITS:
        group.tag = over[group.tag]


def _set_operators(group: Element) -> None:
    """A minus after another operator is a sign of what follows it, a slash stands close, and names of functions keep
    their distance but from operators and brackets.
    """
    if group.tag in SCRIPTS:
        return
    for before, one, after in zip([None, *group], group, [*group, None][1:], strict=False):
        core = one[0] if one.tag in SCRIPTS else one
        if core.tag in ("mi", "mo") and re.fullmatch("[a-z]{2,}", core.text or "") and not core.get("mathvariant"):
            core.tag = "mo"
            first = before is None or _awaits(before)
            bracket = after is not None and after.get("form") == "prefix"
            core.attrib.update(form="prefix", lspace="0" if first else SPACE, rspace="0" if bracket else SPACE)
        elif one.tag == "mo" and one.text == "/":
            one.attrib.update(lspace="0", rspace="0")
        elif one.tag == "mo" and one.text in SIGNS and before is not None and _awaits(before):
            one.set("form", "prefix")


def _awaits(before: Element) -> bool:
    """Whether an operand has still to come."""
    return (before.tag == "mo" and before.get("form") != "postfix") or before.tag == "mspace"


def _set_accent(group: Element) -> None:
    accent = group[1]
    if accent.tag == "mo" and accent.text in ACCENTS:
        accent.text = ACCENTS[accent.text]
        accent.set("stretchy", "false")
        group.set("accent", "true")


def _set_columns(table: Element) -> None:
    tight = table.attrib.pop("columnspacing", None) == "0em"
    for cell in table.iter("mtd"):
        style = [f"text-align: {cell.attrib.pop('columnalign', 'center')}"]
        cell.set("style", "; ".join([*style, "padding-left: 0; padding-right: 0"] if tight else style))
    table.attrib.pop("rowspacing", None)


def signs(formula: str) -> set[int]:
    """The code points that a browser draws for a formula: a single letter is drawn as the slanted sign for it."""
    found = {ROOT}
    for sign in ElementTree.fromstring(formula).iter():
        text = sign.text or ""
        found |= {ord(letter) for letter in text}
        if sign.tag == "mi" and len(text) == 1:
            found.add(ord(_styled(text, "italic")))
    return found


def _inline(self, node):
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(f"{mathml(node.astext())}</span>")
    raise SkipNode


def _block(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(f"{mathml(node.astext(), block=True)}</div>\n")
    raise SkipNode


def _write_font(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    pages = [path for path in sorted(out.rglob("*.html")) if "_static" not in path.relative_to(out).parts]
    formulas = {one for page in pages for one in FORMULA.findall(page.read_text(encoding="utf-8"))}
    write_font(set().union(*(signs(one) for one in formulas)), out / FONT)


def write_font(code_points: set[int], path: Path) -> None:
    """The font with these signs alone. Raises ExtensionError for signs that it has not got."""
    with TTFont(STIX) as font:
        if missing := code_points - set(font.getBestCmap()):
            raise ExtensionError(f"the font of formulas has no {' '.join(map(chr, sorted(missing)))}")
        subsetter = Subsetter(Options(flavor="woff", name_IDs=NOTICES))
        subsetter.populate(unicodes=code_points)
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(path)


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("config-inited", lambda app, config: setattr(config, "html_math_renderer", "mathml"), priority=900)
    app.connect("build-finished", _write_font)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
