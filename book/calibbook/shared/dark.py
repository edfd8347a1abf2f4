"""A figure for a dark page: its greys turned round, its colours as they are, but those lighter that could not be seen.

What is drawn on a heat map or on an image keeps its ink, which was chosen for the cell below it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection, QuadMesh
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from calibbook.shared.colours import contrast

PAPER, INK = "#121212", "#dfe5ea"
"""The dark theme's page, and an ink on it."""

GREY = 0.04
"""A colour is grey where its channels differ by no more."""

CONTRAST = 3.0
"""What a line or a bar must have to the page to be seen (Web Content Accessibility Guidelines 2.2, 1.4.11)."""

PROPERTIES: dict[type[Artist], tuple[str, ...]] = {
    Text: ("color",),
    Line2D: ("color", "markeredgecolor", "markerfacecolor"),
    Patch: ("facecolor", "edgecolor"),
    Collection: ("facecolor", "edgecolor"),
}


@contextmanager
def in_the_dark(figure: Figure) -> Iterator[Figure]:
    """The figure with greys turned round, from black as `INK` to white as `PAPER`; as it was again afterwards."""
    before: list[tuple[Callable, Any]] = []
    try:
        for artist in _own_ink(figure):
            for kind, names in PROPERTIES.items():
                if isinstance(artist, kind):
                    for name in names:
                        _turn(artist, name, before)
        yield figure
    finally:
        for setter, value in reversed(before):
            setter(value)


def _turn(artist: Artist, name: str, before: list[tuple[Callable, Any]]) -> None:
    value = getattr(artist, f"get_{name}")()
    try:
        colours = to_rgba_array(value)
    except ValueError:  # "auto" and other words that follow another colour
        return
    turned = turn(colours)
    if not np.array_equal(turned, colours):
        setter = getattr(artist, f"set_{name}")
        before.append((setter, value))
        setter(turned if isinstance(artist, Collection) else tuple(turned[0]))


def turn(colours: np.ndarray) -> np.ndarray:
    """Colours, float [n, 4] as red, green, blue and opacity from 0 to 1, with the greys among them turned round, and
    the others as much lighter as they need to be seen.
    """
    light, dark = to_rgba_array(INK)[0, :3], to_rgba_array(PAPER)[0, :3]
    grey = np.ptp(colours[:, :3], axis=1) <= GREY if len(colours) else np.zeros(0, dtype=bool)
    turned = np.array(colours)
    height = colours[grey, :3].mean(axis=1, keepdims=True)
    turned[grey, :3] = light + (dark - light) * height
    for place in np.flatnonzero(~grey):
        turned[place, :3] = _seen(turned[place, :3])
    return turned


def _seen(colour: np.ndarray) -> np.ndarray:
    """A colour with no more white in it than it needs for `CONTRAST` to the page."""
    mixtures = colour + (1 - colour) * np.linspace(0, 1, 101)[:, None]
    return next(mixed for mixed in mixtures if contrast(mixed, to_rgb(PAPER)) >= CONTRAST)


def _own_ink(figure: Figure) -> list[Artist]:
    """Every artist but those on a heat map or an image, and the cells of these."""
    kept: set[int] = set()
    for axis in figure.findobj(lambda artist: hasattr(artist, "get_children") and hasattr(artist, "collections")):
        if any(isinstance(child, QuadMesh | AxesImage) for child in axis.get_children()):
            own = [*axis.collections, *axis.images, *axis.texts, *axis.lines, *axis.patches, axis.patch]
            kept.update(id(part) for artist in own for part in artist.findobj())
    return [artist for artist in figure.findobj() if id(artist) not in kept]
