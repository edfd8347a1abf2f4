"""Colours of the heat tables: dark for low, light for high, with text that stands out."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

# Dark to light in steps that readers with any colour vision, and grey printers, tell apart.
COLOURS = colormaps["cividis"]


def luminance(rgb) -> float:
    """Relative luminance of an sRGB triple in 0..1 (WCAG 2.2)."""
    channels = np.asarray(rgb[:3], dtype=float)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other) -> float:
    """WCAG contrast ratio of two sRGB triples, 1 to 21."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def colours(shade: float) -> tuple[str, str]:
    """(background, text) as #rrggbb of a shade from 0 (dark) to 1 (light).

    The text is black or white, whichever stands out more: at least 4.58 to 1 on any background.
    """
    background = COLOURS(float(shade))
    text = max(((0, 0, 0), (1, 1, 1)), key=lambda ink: contrast(background, ink))
    return to_hex(background), to_hex(text)
