"""Colours for families and scripts. No palette has a colour for each of 17 scripts that every eye tells apart, so
colours are for the groups that the map can show at all, those of several languages; the rest is grey, and every row
says its family, branch and script in words.
"""

from matplotlib.colors import to_hex, to_rgb

from calibbook.shared.palette import COLOURS

ALONE = "#b9c4d6"
"""The colour of every group of one language: nearly grey, but none that a dark page turns round, as it would the
legend's and not the map's.
"""
YELLOW = "#f0e442"
"""Okabe and Ito's eighth, which shows beside others though not on white."""
BLACK = "#000000"
DARK = 0.45


def group_colours(groups: list[str]) -> dict[str, str]:
    """Group -> #rrggbb, the largest first: seven of Okabe and Ito's palette, without its black, then their tints, then
    their shades, 21 in all; a group of one language, and what comes after, is nearly grey.

    groups: that of each language.
    """
    base = [*(colour for colour in COLOURS if colour != BLACK), YELLOW]
    tints = [_mixed(colour, "#ffffff") for colour in base]
    shades = [_mixed(colour, "#000000") for colour in base]
    by_size = sorted(dict.fromkeys(groups), key=groups.count, reverse=True)
    several = [group for group in by_size if groups.count(group) > 1]
    return dict.fromkeys(by_size, ALONE) | dict(zip(several, [*base, *tints, *shades], strict=False))


def _mixed(colour: str, other: str) -> str:
    return to_hex([(1 - DARK) * own + DARK * far for own, far in zip(to_rgb(colour), to_rgb(other), strict=True)])
