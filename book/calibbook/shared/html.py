"""How a notebook shows tables: the one file that writes HTML. Callers give text, which is escaped here."""

import base64
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from calibbook.shared.colours import colours
from calibbook.shared.frames import BLOCK, method_label, setting
from calibbook.shared.languages import SPELLED_OUT, code_label, text_label
from calibbook.shared.words import fixed, listed, with_powers
from calibprune.languages import describe

# Which way is better is the paper's own convention (captions of its Tables 1 and 6): dark is low in every metric.
DIRECTION = {True: "lower (darker) is better", False: "higher (lighter) is better"}
LONG = 40
"""Characters of a text that takes the whole width of a card."""
NONE = "–"
MANY_ROWS = 40
"""A table of values with more rows scrolls both ways in a box as high as the window, its head and row names in view."""
MANY_COLUMNS = 10
"""A table of values with more columns, under headers that neighbours share, is one table for each of these headers."""
# What a table needs wherever it is shown; the book's own style sheet adds to it.
STYLE = """<style>
.study-table-scroll {overflow-x: auto; margin: 1em 0}
.study-table-scroll .study-table {border-collapse: collapse; margin: 0; width: auto; font-size: .85em}
.study-table-scroll .study-table {font-variant-numeric: tabular-nums}
.study-table-scroll caption {caption-side: top; text-align: left; white-space: normal}
.study-table-scroll caption > span {display: inline-block; position: sticky; left: 0}
.study-table-scroll caption > span {min-width: min(28rem, 80vw); max-width: min(48rem, 85vw)}
.study-table-scroll .study-table :is(th, td) {padding: .15em .4em; border: 1px solid #8884; white-space: nowrap}
.study-table-scroll .study-table th {text-align: left; font-weight: 600}
.study-table-scroll .study-table thead th {text-align: center; vertical-align: bottom}
.study-table-scroll .study-table td {text-align: right}
.study-table-scroll .study-table td.text {text-align: left; white-space: normal; min-width: 5em}
.study-table-scroll .study-table th.text {white-space: normal; max-width: 20em}
.study-table-scroll .study-table :is(.sd, .known) {font-size: .75em; opacity: 1}
</style>"""


@dataclass(frozen=True, repr=False)
class Html:
    """Something a notebook shows: `html` on a page, `plain` where there is only text."""

    html: str
    plain: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.plain


class Languages(NamedTuple):
    """A header of language codes, `AR+DE`: each code is an abbreviation with the language's name as its title. Of many
    languages the first two, the last and their number are shown, and all names are in the title.
    """

    codes: tuple[str, ...]
    between: str = "+"

    def __str__(self) -> str:
        return text_label("+".join(self.codes)).replace("+", self.between)

    def html(self) -> str:
        if len(self.codes) > SPELLED_OUT:
            names = ", ".join(describe(code).name for code in self.codes)
            return f'<abbr title="{escape(names)}">{escape(str(self))}</abbr>'
        return self.between.join(map(_abbreviation, self.codes))


def _abbreviation(code: str) -> str:
    name = describe(code).name
    label = escape(code_label(code))
    return label if name == code else f'<abbr title="{escape(name)}">{label}</abbr>'


Label = str | Languages


def calibration_label(calibration: str, none: str = "none") -> Label:
    """The header of a calibration text, `AR` or `AR+DE`; `none` for no calibration."""
    return Languages(tuple(calibration.split("+"))) if calibration else none


class Mark(NamedTuple):
    """A sign beside a value.

    Attributes:
        sign: one character.
        meaning: what a screen reader says in its place.
        best: whether the value is set in bold and framed as well.
    """

    sign: str
    meaning: str
    best: bool = False


BEST = Mark("★", "best calibration language of this column", best=True)
BEST_MIXTURE = Mark(
    "◆", "better than every single calibration language of this column, and the best mixture", best=True
)


class Cell(NamedTuple):
    """What stands in one cell of a table.

    Attributes:
        text: the value, written out.
        shade: its colour, from 0 (dark) to 1 (light); NaN for none.
        mark: a sign beside it.
        deviation: in small type beside it, `± 0.3`.
        paper: the paper's own value, shown in brackets.
        below: in small type on a line of its own, such as an interval.
        title: what a pointer that rests on the cell shows.
        aloud: what a screen reader says in place of `text`, where that is a sign.
        left: set to the left, as words are, and free to break into lines.
        link: the address that `text` leads to.
        folded: further lines, behind a line that a reader opens, which `fold` is.
        order: a number that a reader's sorting goes by, NaN where that is the text (`sortable`).
    """

    text: str
    shade: float = math.nan
    mark: Mark | None = None
    deviation: str = ""
    paper: str = ""
    below: str = ""
    title: str = ""
    aloud: str = ""
    left: bool = False
    link: str = ""
    fold: str = ""
    folded: Sequence[str] = ()
    order: float = math.nan

    def __str__(self) -> str:
        paper = f"[{self.paper}]" if self.paper else ""
        shown = [self.text, self.mark and self.mark.sign, self.deviation, paper, self.below, *self.folded]
        return " ".join(filter(None, shown))

    def html(self, label: str = "") -> str:
        """The cell as a td; with a label, as a line of a card, which leaves out what is not known and gives a long text
        the whole width.
        """
        text = _sign(self.text, self.aloud) if self.aloud else escape(self.text)
        text = f'<a href="{escape(self.link)}">{text}</a>' if self.link else text
        best = self.mark is not None and self.mark.best
        if self.mark:
            text = f"{f'<strong>{text}</strong>' if best else text} {_sign(self.mark.sign, self.mark.meaning)}"
        text += f' <small class="sd">{escape(self.deviation)}</small>' if self.deviation else ""
        text += f' <small class="known">[{escape(self.paper)}]</small>' if self.paper else ""
        text += f'<br><small class="sd">{_unbroken(escape(self.below))}</small>' if self.below else ""
        if self.folded:
            lines = "".join(f"<li>{escape(line)}</li>" for line in self.folded)
            text = f"<div>{text}<details><summary>{escape(self.fold)}</summary><ul>{lines}</ul></details></div>"
        kinds = {"best": best, "text": self.left and not best}
        if label:
            kinds |= {"long": len(self.text) > LONG, "none": str(self) in (NONE, "")}
        name = " ".join(kind for kind, so in kinds.items() if so)
        name = f' class="{name}"' if name else ""
        background, ink = ("", "") if math.isnan(self.shade) else colours(self.shade)
        colour = f' style="background-color: {background}; color: {ink}"' if background else ""
        title = f' title="{escape(self.title)}"' if self.title else ""
        order = "" if math.isnan(self.order) else f' data-order="{self.order:g}"'
        card = f' data-label="{escape(label)}" role="cell"' if label else ""
        return f"<td{name}{colour}{title}{order}{card}>{text}</td>"


MISSING = Cell(NONE, aloud="not measured")


def heat_table(
    rows: Mapping[Hashable, Sequence[Label]],
    columns: Mapping[Hashable, Sequence[Label]],
    cells: Mapping[tuple[Hashable, Hashable], Cell],
    corner: Sequence[str],
    title: str,
    note: str = "",
    wrapped: bool = False,
    cards: bool = False,
) -> Html:
    """A table of values with shades and marks, whose every header says what it heads.

    Not great-tables 1.1: its titles are cells of the head and no caption, its cells take no titles, the keyboard cannot
    scroll it, and it brings seven packages and 8 kB of style for every table.

    With more than `MANY_COLUMNS` columns it is several tables below each other, one for each header that columns
    share, which its title then names; the note stands above the first.

    Args:
        rows: key of a row -> its headers, one for each of `corner`. All but the last head the whole group of
            neighbouring rows that have them in common.
        columns: key of a column -> its header alone, or a header that it shares with its neighbours and its own.
        cells: (row, column) -> what stands there; `MISSING` where there is nothing.
        corner: what the headers of the rows are.
        title: begins the caption, in bold, and names the table to a screen reader.
        note: the rest of the caption.
        wrapped: whether long headers break into lines.
        cards: whether a phone shows each row as a card, in which every value has the name of its column. Such a table
            is a list of findings: its title is a heading, by which a screen reader finds it.
    """
    parts = _by_shared_header(columns) if len(columns) > MANY_COLUMNS else {}
    if rows and len(parts) > 1:
        lead = f"{note} The tables of {listed(list(parts)[1:])}, below, are parts of this one.".lstrip()
        below = [
            heat_table(rows, part, cells, corner, f"{title}, {shared}", "" if place else lead, wrapped, cards)
            for place, (shared, part) in enumerate(parts.items())
        ]
        return Html("".join(table.html for table in below), "\n".join(table.plain for table in below))
    kind = ' class="text"' if wrapped else ""
    caption = escape(note) if cards else f"<strong>{escape(title)}.</strong> {escape(note)}"
    if not rows:
        none = '<tbody><tr><td class="text">none</td></tr></tbody>'
        return _captioned(none, caption, title, f"{title}: none", cards=cards)
    role = ' role="{}"'.format if cards else lambda name: ""  # which a table laid out as blocks would lose
    bodies = []
    for heads, group in groupby(rows.items(), key=lambda row: tuple(row[1][:-1])):
        lines = [
            _th("row", labels[-1], kind + role("rowheader"))
            + "".join(
                cells.get((row, column), MISSING).html(str(names[-1]) if cards else "")
                for column, names in columns.items()
            )
            for row, labels in group
        ]
        lead = "".join(_th("rowgroup", head, f' rowspan="{len(lines)}"') for head in heads)
        row = f"<tr{role('row')}>"
        bodies.append(f"<tbody{role('rowgroup')}>{row}{lead}{f'</tr>{row}'.join(lines)}</tr></tbody>")
    many = len(rows) > MANY_ROWS and not wrapped
    text = _grid(rows, columns, cells, corner)
    html = _head(columns, corner, kind) + "".join(bodies)
    return _captioned(html, caption, title, f"{title}. {note}".rstrip() + f"\n{text}", many, cards)


def _by_shared_header(columns: Mapping[Hashable, Sequence[Label]]) -> dict[Label, dict]:
    """The columns below each header that neighbours share; none where a column has its own header alone."""
    parts: dict[Label, dict] = {}
    for key, labels in columns.items():
        if len(labels) < 2:
            return {}
        parts.setdefault(labels[0], {})[key] = labels
    return parts


def _head(columns: Mapping[Hashable, Sequence[Label]], corner: Sequence[str], kind: str) -> str:
    """The thead: one line, or two where columns share a header."""
    shared = any(len(labels) > 1 for labels in columns.values())
    span = ' rowspan="2"' if shared else ""
    names = f' class="{" ".join(["text"] * bool(kind) + ["names"])}"'  # above the row names, which stay in sight
    first = "".join(_th("col", name, span + (names if name == corner[-1] else kind)) for name in corner)
    own = "".join(_th("col", labels[-1], kind) for labels in columns.values())
    if not shared:
        return f"<thead><tr>{first}{own}</tr></thead>"
    groups = [(label, len(list(same))) for label, same in groupby(labels[0] for labels in columns.values())]
    above = "".join(_th("colgroup", label, f' colspan="{width}"') for label, width in groups)
    return f"<thead><tr>{first}{above}</tr><tr>{own}</tr></thead>"


def _th(scope: str, label: Label, attributes: str = "") -> str:
    return f'<th scope="{scope}"{attributes}>{label.html() if isinstance(label, Languages) else escape(label)}</th>'


def _unbroken(text: str) -> str:
    """A text whose intervals in brackets stay in one line."""
    return re.sub(r"\([−+]?\d[^)]*\)", lambda found: found[0].replace(" ", "&nbsp;"), text)


def _sign(sign: str, meaning: str) -> str:
    return f'<span role="img" aria-label="{escape(meaning)}">{escape(sign)}</span>'


def _captioned(rows: str, caption: str, title: str, plain: str, many: bool = False, cards: bool = False) -> Html:
    """Table rows inside a captioned table that scrolls sideways by keyboard and finger where the page is narrow; one
    with `many` rows scrolls both ways, under its head. The heading of `cards` stands before the table: within one that
    has a role it would be neither row nor cell.
    """
    heading = f'<h3 class="study-heading">{escape(title)}</h3>' if cards else ""
    box = f"study-table-scroll{' many' * many}"
    kind = f'class="study-table cards" role="table" aria-label="{escape(title)}"' if cards else 'class="study-table"'
    return Html(
        f'{STYLE}{heading}<div class="{box}" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"<table {kind}><caption><span>{caption}</span></caption>{rows}</table></div>",
        plain,
    )


def _grid(rows: Mapping, columns: Mapping, cells: Mapping, corner: Sequence[str]) -> str:
    """The table as lines of text."""
    heads = [[str(label) for label in labels] for labels in rows.values()]
    values = [[str(cells.get((row, column), MISSING)) for column in columns] for row in rows]
    names = [*corner, *(" ".join(map(str, labels)) for labels in columns.values())]
    lines = [[*head, *line] for head, line in zip(heads, values, strict=True)]
    return pd.DataFrame(lines, columns=names).to_string(index=False)


def block_rows(
    frame: pd.DataFrame,
    row: str = "calibration",
    label: Callable[[str], Label] = calibration_label,
    order: Callable | None = None,
) -> tuple[list[str], dict[tuple, tuple[Label, ...]]]:
    """(`corner`, `rows`) of a `heat_table` with models, methods and sparsities down, and in each the values of `row`.

    Method always heads a group of rows; model and sparsity do where the frame has several. Keys of rows are (model,
    method, sparsity, pattern, value of `row`). Groups come as in the frame, and so do their rows if there is no
    `order`, a key to sort them by.
    """
    settings = frame.loc[frame["method"] != "dense", ["sparsity", "pattern"]].drop_duplicates()
    several = frame["model"].nunique() > 1, True, len(settings) > 1
    rows = {}
    for block, part in frame.groupby(BLOCK, sort=False):
        model, method, sparsity, pattern = block
        names = model, method_label(method), setting(sparsity, pattern) or "–"
        heads = [name for name, shown in zip(names, several, strict=True) if shown]
        values = dict.fromkeys(part[row])
        for value in sorted(values, key=order) if order else values:
            rows[*block, value] = (*heads, label(value))
    levels = [name for name, shown in zip(("Model", "Method", "Sparsity"), several, strict=True) if shown]
    return [*levels, "Calibration"], rows


def deviation(sd: float, exponent: int = 0, decimals: int = 1) -> str:
    """`± sd`; nothing with one draw; never zero for an sd that is not."""
    if not np.isfinite(sd):
        return ""
    smallest = 10.0**-decimals
    rounds_to_zero = 0 < sd / 10.0**exponent < smallest / 2
    return f"± {f'<{smallest:g}' if rounds_to_zero else fixed(sd, exponent, decimals)}"


def text_table(frame: pd.DataFrame, title: str, note: str = "", cards: str = "") -> Html:
    """A frame of words and numbers as a captioned table; its first column heads the rows.

    Missing values are a dash. An empty frame becomes one line that says so. `cards` names the column that matters most:
    it stands right after the first, and on a phone each row becomes a card that shows every column, that one first.
    """
    if cards in frame and cards != frame.columns[0]:
        first, *others = (name for name in frame.columns if name != cards)
        frame = frame[[first, cards, *others]]
    lines = [] if frame.empty else list(frame.itertuples(index=False, name=None))
    names = [str(name) for name in frame.columns]
    return heat_table(
        {place: (shown(line[0]),) for place, line in enumerate(lines)},
        {place: (name,) for place, name in enumerate(names[1:])},
        {
            (place, column): Cell(shown(value), left=isinstance(value, str))
            for place, line in enumerate(lines)
            for column, value in enumerate(line[1:])
        },
        names[:1],
        title,
        note,
        wrapped=True,
        cards=bool(cards),
    )


def sortable(table: Html, choices: Sequence[str] = ()) -> Html:
    """A table that a reader sorts by any of its columns and filters, by words and by the values of the columns
    `choices`. The script is book/_static/sortable.js; without it the table is read as it is. It has no groups of rows.
    """
    return Html(f'<div class="sortable" data-choices="{escape("|".join(choices))}">{table.html}</div>', table.plain)


def box(title: str, sentences: Sequence[str], fold: str = "", folded: Sequence[str] = ()) -> Html:
    """Sentences in a box with a title, one paragraph each, as `marked`; empty ones are left out. `folded` are further
    ones, behind a line that a reader opens, which `fold` is.
    """
    said = [sentence for sentence in sentences if sentence]
    inside = _paragraphs(said)
    if folded:
        inside += f"<details><summary>{escape(fold)}</summary>{_paragraphs(folded)}</details>"
    return Html(
        f'<div class="admonition important"><p class="admonition-title">{escape(title)}</p>{inside}</div>',
        "\n".join([f"{title}.", *(sentence.replace("**", "") for sentence in [*said, *folded])]),
    )


def _paragraphs(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{marked(sentence)}</p>" for sentence in sentences)


def remark(sentence: str) -> Html:
    """A sentence in small type, as `marked`."""
    return Html(f'<p class="study-remark"><small>{marked(sentence)}</small></p>', sentence)


def marked(sentence: str) -> str:
    """A sentence as HTML: between backticks stands code, between pairs of asterisks what is bold."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", re.sub("`(.+?)`", r"<code>\1</code>", escape(sentence)))


def command_box(title: str, before: str, command: str, after: Sequence[str], links: Sequence["Link"]) -> Html:
    """A box with a command that a page gives a button to copy, sentences before and after it, and links below."""
    listed = "".join(f"<li>{link.html()}</li>" for link in links)
    return Html(
        f'<div class="admonition tip"><p class="admonition-title">{escape(title)}</p><p>{marked(before)}</p>'
        f'<div class="highlight"><pre tabindex="0">{escape(command)}</pre></div>'
        + "".join(f"<p>{marked(sentence)}</p>" for sentence in after)
        + (f"<ul>{listed}</ul>" if listed else "")
        + "</div>",
        "\n".join([f"{title}. {before}", command, *after]),
    )


class Link(NamedTuple):
    """Something to download: `target` is an address, `name` the file's name, `about` what stands after the link."""

    label: str
    target: str
    name: str
    about: str = ""

    def html(self) -> str:
        about = f" {escape(self.about)}" if self.about else ""
        return f'<a href="{escape(self.target)}" download="{escape(self.name)}">{escape(self.label)}</a>{about}'


def links(before: str, addresses: Mapping[str, str]) -> Html:
    """A paragraph of words and links, label -> address."""
    listed = ", ".join(f'<a href="{escape(address)}">{escape(label)}</a>' for label, address in addresses.items())
    return Html(f"<p>{escape(before)} {listed}.</p>", f"{before} {', '.join(addresses)}.")


def attached(text: str, kind: str) -> str:
    """The address of a text that a page holds itself, such as a table of the kind "text/csv"; the book's builder makes
    a file of it.
    """
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


class Shown(Protocol):
    """What a notebook can show: a table, a box, a figure."""

    def _repr_html_(self) -> str: ...


def folded(title: str, inside: Shown, anchor: str = "") -> Html:
    """What stands behind a line that a reader opens, and that links may lead to by its anchor."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    html = f"<details{named}><summary>{escape(title)}</summary>{inside._repr_html_()}</details>"
    return Html(html, f"{title}\n{inside!r}")


def shown(value) -> str:
    """A value as text. Floats have at most three significant digits, and whole numbers from a thousand on; not
    `words.number`, which would write a data sheet's 67 as 67.0.
    """
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    if isinstance(value, (float, np.floating)):
        return with_powers(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")
    return f"{value:,}" if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else str(value)
