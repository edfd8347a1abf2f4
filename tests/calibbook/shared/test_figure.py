"""Pictures as a page shows them, panels in lines, and looks that tell things apart."""

import base64
import io
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from frames import SEVEN, tidy
from matplotlib.figure import Figure
from PIL import Image

from calibbook.s04_1_pruning_results.figures import fidelity_heatmap
from calibbook.shared.figure import LARGE, PHONE, SMALL, Picture, panels
from calibbook.shared.frames import METHODS
from calibbook.shared.palette import COLOURS, MARKERS, looks
from calibprune.errors import ParameterError
from calibprune.languages import PAPER_LANGUAGES


def test_a_picture_embeds_its_description_and_has_the_same_bytes_each_time():
    def made():
        return Picture(fidelity_heatmap(tidy(), "perplexity", "chromium").figure, 'a "quoted" <description>')

    assert made()._repr_html_() == made()._repr_html_()
    image = BeautifulSoup(made()._repr_html_(), "html.parser").img
    assert image["alt"] == 'a "quoted" <description>' == repr(made())
    assert not plt.get_fignums()


def test_an_image_is_as_it_was_drawn_but_for_what_no_eye_sees():
    picture = Picture(fidelity_heatmap(tidy(), "perplexity", "chromium").figure, "words")
    exact = io.BytesIO()
    picture.figure.savefig(exact, format="png", dpi=LARGE)
    light, *_ = images_of(picture)
    with Image.open(exact) as wanted, light as shown:
        assert shown.format == "WEBP" and len(shown.convert("RGB").getcolors(256)) > 30
        moved = np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(wanted.convert("RGB"), float))
    assert moved.mean() < 0.5 and (moved > 16).mean() < 0.005


def test_afterwards_a_figure_is_laid_out_and_as_fine_as_before():
    figure, _ = panels(2, 2, 2.0, 2.0)
    engine, fine = figure.get_layout_engine(), figure.dpi
    Picture(figure, "words")._repr_html_()
    assert figure.get_layout_engine() is engine and figure.dpi == fine


def test_a_phone_is_shown_the_narrow_figure_in_both_modes():
    wide, narrow = (panels(1, 1, width, 2.0)[0] for width in (8.0, 4.0))
    html = BeautifulSoup(Picture(wide, "words", narrow=narrow)._repr_html_(), "html.parser")
    assert [one.img["class"] for one in html.find_all("picture")] == [["only-light"], ["only-dark"]]
    for one in html.find_all("picture"):
        assert one.source["media"] == PHONE
        assert opened(one.source["srcset"]).width == 4 * SMALL and opened(one.img["src"]).width == 8 * LARGE


def images_of(picture: Picture) -> list[Image.Image]:
    return [opened(image["src"]) for image in BeautifulSoup(picture._repr_html_(), "html.parser").find_all("img")]


def opened(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_picture_without_words_is_refused():
    with pytest.raises(ParameterError, match="without alternative text"):
        Picture(Figure(), " ")


@pytest.mark.parametrize(
    ("count", "size", "places"),
    [(1, (3, 3), [(0, 0)]), (2, (5, 3), [(0, 0), (0, 1)]), (5, (5, 7), list(product(range(3), range(2)))[:5])],
)
def test_panels_stand_in_lines_and_no_empty_one_is_left(count, size, places):
    figure, axes = panels(count, 2, 2.0, 2.0, margin=(1.0, 1.0))
    assert tuple(figure.get_size_inches()) == size and figure.axes == axes
    found = [axis.get_subplotspec() for axis in axes]
    assert [(place.rowspan.start, place.colspan.start) for place in found] == places


def test_a_line_is_as_high_as_its_highest_panel():
    figure, axes = panels(3, 2, 2.0, [1.5, 2.0, 5.0], words=1.0)
    assert tuple(figure.get_size_inches()) == (4, 7)
    assert axes[0].get_subplotspec().get_gridspec().get_height_ratios() == [1.0, 4.0]


def test_every_language_of_the_paper_has_a_colour_and_a_marker_of_its_own():
    found = looks(SEVEN, PAPER_LANGUAGES).values()
    assert len({style.colour for style in found}) == len({style.marker for style in found}) == 7


def test_as_many_languages_as_there_are_pairs_are_told_apart():
    many = [f"x{place}" for place in range(len(COLOURS) * len(MARKERS))]
    assert len({(style.colour, style.marker) for style in looks(many).values()}) == 49


def test_what_is_not_known_has_a_look_and_changes_none():
    known = looks(METHODS, METHODS)
    found = looks(["coin_toss", *METHODS], METHODS)
    assert {name: found[name] for name in METHODS} == known
    assert found["coin_toss"][:2] not in {style[:2] for style in known.values()}
