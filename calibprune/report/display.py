"""How a notebook shows things: numbers, language names, tables of text, all with something to read aloud."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from calibprune.languages import LANGUAGES

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
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


def number_style(metric: str, values) -> tuple[int, int]:
    """(power of ten to take out, decimals): small pruning errors get a common factor, the rest is shown as it is."""
    if metric == "perplexity":
        return 0, 1
    sizes = np.abs(np.asarray(values, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    exponent = int(np.floor(np.log10(sizes.min()))) if metric == "pruning_error" and len(sizes) else 0
    return min(exponent, 0), 2


def number(value: float, exponent: int = 0, decimals: int = 1) -> str:
    """A value in units of 10**exponent; from a thousand on without decimals, from a million on as a power of ten."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    scaled = value / 10.0**exponent
    if abs(scaled) >= 1e6:
        mantissa, power = f"{scaled:.1e}".split("e")
        return f"{mantissa}×10{str(int(power)).translate(SUPERSCRIPT)}".replace("-", "−")
    return f"{scaled:,.{0 if abs(scaled) >= 1000 else decimals}f}".replace("-", "−")


def deviation(sd: float, exponent: int = 0, decimals: int = 1) -> str:
    """` ± sd` in small type; nothing with one draw; never zero for an sd that is not."""
    if not np.isfinite(sd):
        return ""
    smallest = 10.0**-decimals
    rounds_to_zero = 0 < sd / 10.0**exponent < smallest / 2
    text = f"&lt;{smallest:g}" if rounds_to_zero else number(sd, exponent, decimals)
    return f' <small class="sd">± {text}</small>'


def language_header(code: str) -> str:
    """`AR` with the language's name as the abbreviation's title; a mixture part by part."""
    return "+".join(
        f'<abbr title="{escape(LANGUAGES[part].name)}">{part.upper()}</abbr>' if part in LANGUAGES else escape(part)
        for part in code.split("+")
    )


def in_caption(values) -> str:
    """`4,096` for one number, `3,968 to 4,096` for several."""
    low, high = int(min(values)), int(max(values))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def listed(words) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = [str(word) for word in words]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
