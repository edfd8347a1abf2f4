"""Colours of the heat tables: what is written on them can be read."""

import numpy as np
import pytest

from calibbook.shared.colours import colours, contrast


def test_text_stands_out_on_every_shade():
    def rgb(code):
        return [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]

    ratios = [contrast(*map(rgb, colours(place))) for place in np.linspace(0, 1, 256)]
    assert min(ratios) >= 4.5
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    darkness = [contrast(rgb(colours(place)[0]), (0, 0, 0)) for place in np.linspace(0, 1, 64)]
    assert (np.diff(darkness) > 0).all()
