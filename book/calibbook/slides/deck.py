"""A deck of slides as one HTML file, which needs nothing else: pictures are inside, and no address is asked for.

Without scripts the slides stand below each other, and on paper one is a page; the script lets keys turn them.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from calibbook.shared.figure import Picture
from calibbook.shared.html import Html, attached, marked

CSS = """
:root {color-scheme: light; --accent: #1f4e79}
* {box-sizing: border-box}
html {scroll-snap-type: y proximity; font: max(2.9vmin, 14px)/1.4 system-ui, sans-serif; color: #1a1a1a;
  background: #fff}
body {margin: 0}
section {min-height: 100vh; padding: 4vmin 6vmin; scroll-snap-align: start; position: relative;
  display: flex; flex-direction: column; justify-content: center; border-bottom: 1px solid #ddd}
h1, h2 {color: var(--accent); line-height: 1.15; margin: 0 0 .5em; font-size: 1.7em}
h1 {font-size: 2.4em}
p, ul, ol {max-width: 62em; margin: .35em 0}
blockquote {margin: 0 0 1em; padding-left: 1em; border-left: .25em solid var(--accent); font-size: 1.3em}
img {max-width: 100%; max-height: 66vh; object-fit: contain; align-self: flex-start}
.study-table-scroll {max-height: 80vh; overflow: auto}
.number {position: absolute; right: 3vmin; bottom: 2vmin; color: #666; font-size: .8em}
a {color: var(--accent)}
@media print {
  @page {size: 320mm 180mm; margin: 0}
  html {font-size: 15pt; scroll-snap-type: none; -webkit-print-color-adjust: exact; print-color-adjust: exact}
  section {min-height: 0; height: 179mm; padding: 10mm 16mm; break-after: page; border: 0; overflow: hidden}
  section:last-of-type {break-after: auto}
  img {max-height: 125mm}
  .study-table-scroll {max-height: none; overflow: visible}
}
"""
KEYS = """
const slides = [...document.querySelectorAll("section")];
const steps = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in steps)) return;
  const here = slides.findIndex(one => one.getBoundingClientRect().bottom > window.innerHeight / 2);
  const next = slides[here + steps[event.key]];
  if (next) {event.preventDefault(); next.scrollIntoView()}
});
"""


class Slide(NamedTuple):
    """One slide: its title, and what stands below it as HTML."""

    title: str
    body: str


def paragraphs(sentences: Sequence[str]) -> str:
    """One paragraph each, as `html.marked`."""
    return "".join(f"<p>{marked(sentence)}</p>" for sentence in sentences)


def bullets(points: Sequence[str]) -> str:
    """A list, its points as `html.marked`."""
    return f"<ul>{''.join(f'<li>{marked(point)}</li>' for point in points)}</ul>"


def image(picture: Picture) -> str:
    """The picture with its alternative text, without a variant for the dark: slides are light."""
    data = io.BytesIO()
    picture.figure.savefig(data, format="png", dpi=144, metadata={"Software": None})
    source = base64.b64encode(data.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{escape(picture.alt)}">'


def deck(title: str, slides: Sequence[Slide]) -> str:
    """The whole file. The first slide's title is the deck's heading."""
    sections = []
    for number, slide in enumerate(slides, 1):
        level = 1 if number == 1 else 2
        heading = f"<h{level}>{escape(slide.title)}</h{level}>"
        count = f'<span class="number">{number} / {len(slides)}</span>'
        sections.append(f"<section>{heading}{slide.body}{count}</section>")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{CSS}</style></head>'
        f"<body><main>{''.join(sections)}</main><script>{KEYS}</script></body></html>\n"
    )


def offered(html: str, slides: Sequence[Slide]) -> Html:
    """For a page: the deck behind a link that opens it, and the titles of its slides."""
    titles = [slide.title for slide in slides]
    address = attached(html, "text/html")
    return Html(
        f'<p><a href="{address}"><strong>Open the slides</strong></a> ({len(slides)}, one HTML file)</p>'
        f"<ol>{''.join(f'<li>{escape(title)}</li>' for title in titles)}</ol>",
        "\n".join(["Slides:", *titles]),
    )
