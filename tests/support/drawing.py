"""Draws a figure without what takes longest of a page's images: colours for the dark, and fine dots."""

import io

from calibbook.shared.figure import Picture
from calibbook.shared.narrow import on_a_phone

COARSE = 40
"""Pixels an inch."""


def draw(picture: Picture) -> None:
    """Draws a figure as a page has it and, if it folds, as a phone has it: what cannot be drawn raises."""
    picture.figure.savefig(io.BytesIO(), dpi=COARSE)
    if picture.folds:
        with on_a_phone(picture.figure):
            picture.figure.savefig(io.BytesIO(), dpi=COARSE)
