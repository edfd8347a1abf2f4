"""Sphinx extension: takes out of the built book what none of its pages loads, and style rules that fit nothing in it.

Most of a theme is for other books: three quarters of its style are rules for what is not here.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from page_loads import ICONS

STATIC = "_static"
NEVER_LOADED = ("*.map", "*.LICENSE.txt", "locales", "webpack-macros.html", "sbt-webpack-macros.html", ICONS)
"""Below `STATIC`: what is for those who develop the theme, or replaced by `page_loads`."""

FONT = re.compile(r'url\(([^()]*/vendor/[^()]*\.)woff2\) format\("woff2"\),url\(\1ttf\) format\("truetype"\)')
SIGN = re.compile(r"\\(f[0-9a-f]{3})\b|([\ue000-\uf8ff])")
"""The theme's fonts of signs, and a sign in a style sheet: by its number, or itself."""

TOKEN = re.compile(
    r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\([^"')][^)]*\)|[{};]|[^{};"'/u]+|.""", re.DOTALL
)
CONDITION = re.compile(r"@(media|supports|layer|container)\b")
NAME = re.compile(r"[.#]((?:[\w-]|\\.)+)")
ATTRIBUTE, CHOICE = r"\[[^\]]*\]", r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)"


def used_rules(style: str, words: set[str]) -> str:
    """A style sheet without the selectors that name a class or an id none of whose words is among `words`."""
    kept = []
    for head, body in _rules(style):
        if body is None:
            kept.append(f"{head};")
        elif CONDITION.match(head):
            if inner := used_rules(body, words):
                kept.append(f"{head}{{{inner}}}")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        elif selectors := [selector for selector in _split(head) if _may_fit(selector, words)]:
            kept.append(f"{','.join(selectors)}{{{body}}}")
    return "\n".join(kept)


def _rules(style: str) -> Iterator[tuple[str, str | None]]:
    """(what stands before the braces, what stands in them) of every outermost rule; None without braces."""
    depth, head, body = 0, [], []
    for token in (found[0] for found in TOKEN.finditer(style)):
        if token.startswith("/*"):
            continue
        if token == "}":
            depth -= 1
            if not depth:
                yield "".join(head).strip(), "".join(body).strip()
                head, body = [], []
                continue
        if depth:
            body.append(token)
        elif token == ";":
            yield "".join(head).strip(), None
            head = []
        elif token != "{":
            head.append(token)
        depth += token == "{"


def _split(selectors: str) -> list[str]:
    """At the commas outside of brackets."""
    found, depth = [""], 0
    for letter in selectors:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return found


def _may_fit(selector: str, words: set[str]) -> bool:
    """Whether all classes and ids that it asks for may be there; what only stands in a choice is not looked at."""
    asked = re.sub(CHOICE, "", re.sub(ATTRIBUTE, "", selector))
    return all(_words(name.replace("\\", "")) <= words for name in NAME.findall(asked))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w-]+", text))


def _take_out(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / STATIC
    for pattern in NEVER_LOADED:
        for path in sorted(static.rglob(pattern)) if "/" not in pattern else [static / pattern]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # any word of a page or a script may be a class, also one that a script puts together later
    texts = [path for path in out.rglob("*") if path.suffix in (".html", ".js")]
    words = set().union(*(_words(path.read_text(encoding="utf-8")) for path in texts if path.name != "searchindex.js"))
    styles = {path: used_rules(path.read_text(encoding="utf-8"), words) for path in sorted(static.rglob("*.css"))}
    signs = {number for style in styles.values() for number in signs_in(style)}
    for path, style in styles.items():
        for font in FONT.findall(style):
            _only(signs, path.parent / font)
        path.write_text(FONT.sub(r'url(\1woff) format("woff")', style), encoding="utf-8")


def signs_in(style: str) -> set[int]:
    """The code points of the signs that a style sheet writes."""
    return {int(number, 16) if number else ord(itself) for number, itself in SIGN.findall(style)}


def _only(signs: set[int], font: Path) -> None:
    """A font, named without its suffix, as a file of the signs that the book uses in place of the files of all."""
    with TTFont(font.with_name(f"{font.name}ttf")) as whole:
        subsetter = Subsetter(Options(flavor="woff"))
        subsetter.populate(unicodes=signs)
        subsetter.subset(whole)
        whole.flavor = "woff"
        whole.save(font.with_name(f"{font.name}woff"))
    for suffix in ("ttf", "woff2"):
        font.with_name(f"{font.name}{suffix}").unlink()


def setup(app):
    app.connect("build-finished", _take_out, priority=900)  # when everything has been written and copied
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
