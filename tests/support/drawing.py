"""Draws a figure without what takes longest of a page's images: colours for the dark, and fine dots."""

import io

from matplotlib.figure import Figure

from calibbook.shared.figure import Picture
from calibbook.shared.narrow import WIDTH, on_a_phone

COARSE = 40
"""Pixels an inch."""


def draw(picture: Picture) -> None:
    """Draws a figure as a page has it and, where a phone has another, that: what cannot be drawn raises. A figure made
    for a phone alone is not too wide for it, and cuts nothing off.
    """
    picture.figure.savefig(io.BytesIO(), dpi=COARSE)
    if picture.folds:
        with on_a_phone(picture.figure):
            picture.figure.savefig(io.BytesIO(), dpi=COARSE)
    if picture.narrow is not None:
        picture.narrow.savefig(io.BytesIO(), dpi=COARSE)
        assert picture.narrow.get_figwidth() <= WIDTH
        assert outside(picture.narrow) == []


def outside(figure: Figure) -> list[str]:
    """What a figure cuts off at its sides: panels with their titles and labels, its own title, legends."""
    figure.draw_without_rendering()
    whole = figure.bbox.padded(2)
    parts = [part for part in (*figure.texts, *figure.legends, *figure.axes) if part.get_visible()]
    boxes = [(part, part.get_tightbbox()) for part in parts]
    return [f"{part}" for part, box in boxes if not (whole.x0 <= box.x0 and box.x1 <= whole.x1)]
