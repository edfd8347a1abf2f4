"""How a notebook shows things: numbers, language names, tables of text, all with something to read aloud."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from calibbook.shared.frames import METHODS, setting
from calibbook.shared.words import fixed
from calibprune.languages import LANGUAGES

STAR = '<span role="img" aria-label="best calibration language of this column">★</span>'
MISSING = '<td><span role="img" aria-label="not measured">–</span></td>'
# Which way is better is the paper's own convention (captions of its Tables 1 and 6): dark is low in every metric.
DIRECTION = {True: "lower (darker) is better", False: "higher (lighter) is better"}
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


def deviation(sd: float, exponent: int = 0, decimals: int = 1) -> str:
    """` ± sd` in small type; nothing with one draw; never zero for an sd that is not."""
    if not np.isfinite(sd):
        return ""
    smallest = 10.0**-decimals
    rounds_to_zero = 0 < sd / 10.0**exponent < smallest / 2
    text = f"&lt;{smallest:g}" if rounds_to_zero else fixed(sd, exponent, decimals)
    return f' <small class="sd">± {text}</small>'


def language_header(code: str) -> str:
    """`AR` with the language's name as the abbreviation's title; a mixture part by part."""
    return "+".join(
        f'<abbr title="{escape(LANGUAGES[part].name)}">{part.upper()}</abbr>' if part in LANGUAGES else escape(part)
        for part in code.split("+")
    )


def wrap(rows: str, caption: str, label: str, plain: str) -> Html:
    """Table rows inside a captioned table that scrolls sideways by keyboard and finger where the page is narrow."""
    return Html(
        f'{STYLE}<div class="study-table-scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f'<table class="study-table"><caption><span>{caption}</span></caption>{rows}</table></div>',
        plain,
    )


def text_table(frame: pd.DataFrame, title: str, note: str = "") -> Html:
    """A frame of words and numbers as a captioned table; its first column heads the rows.

    Floats get three significant digits, missing values a dash. An empty frame becomes one line that says so.
    """
    caption = f"<strong>{escape(title)}.</strong> {escape(note)}"
    if frame.empty:
        return wrap('<tbody><tr><td class="text">none</td></tr></tbody>', caption, title, f"{title}: none")
    head = "".join(f'<th scope="col" class="text">{escape(str(name))}</th>' for name in frame.columns)
    body = "".join(
        f'<tr><th scope="row" class="text">{shown(row[0])}</th>{"".join(map(data_cell, row[1:]))}</tr>'
        for row in frame.itertuples(index=False, name=None)
    )
    return wrap(
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>",
        caption,
        title,
        f"{title}\n{frame.to_string(index=False)}",
    )


def data_cell(value) -> str:
    """One td; words to the left, numbers to the right."""
    return f'<td class="text">{shown(value)}</td>' if isinstance(value, str) else f"<td>{shown(value)}</td>"


def shown(value) -> str:
    """A value as escaped text."""
    if isinstance(value, str):
        return escape(value)
    if pd.isna(value):
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")
    return escape(f"{value:,}" if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else str(value))


def varying_levels(rows: pd.DataFrame) -> list[str]:
    """The columns that head a block: always the method; model and sparsity where there are several."""
    settings = rows.loc[rows["method"] != "dense", ["sparsity", "pattern"]].drop_duplicates()
    return [*(["Model"] if rows["model"].nunique() > 1 else []), "Method", *(["Sparsity"] if len(settings) > 1 else [])]


def block_header(block: tuple, rows: int, levels: list[str]) -> str:
    """The th of model, method and sparsity that head the rows of one block."""
    model, method, sparsity, pattern = block
    names = {"Model": model, "Method": METHODS.get(method, method), "Sparsity": setting(sparsity, pattern) or "–"}
    return "".join(f'<th scope="rowgroup" rowspan="{rows}">{escape(names[level])}</th>' for level in levels)
