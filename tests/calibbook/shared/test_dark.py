"""Figures for a dark page."""

import numpy as np
import pytest
from frames import tidy
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from calibbook.s04_1_pruning_results.figures import fidelity_heatmap
from calibbook.shared.colours import contrast
from calibbook.shared.dark import INK, PAPER, in_the_dark, turn
from calibbook.shared.figure import Picture


def drawn() -> Figure:
    figure = Figure()
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#000000", marker="o", label="black")
    axis.plot([0, 1], [1, 0], color="#0072b2", label="blue")
    axis.scatter([0.5], [0.5], color=["#ffffff"], edgecolor="black")
    axis.text(0.2, 0.2, "said")
    axis.set_title("title")
    axis.legend()
    return figure


def looks_of(figure: Figure) -> list[str]:
    axis = figure.axes[0]
    colours = [
        figure.get_facecolor(), axis.get_facecolor(), axis.title.get_color(), axis.texts[0].get_color(),
        *(line.get_color() for line in axis.lines), axis.collections[0].get_facecolor()[0],
        axis.get_xticklabels()[0].get_color(), axis.spines["left"].get_edgecolor(),
        axis.get_legend().get_texts()[0].get_color(), axis.get_legend().get_frame().get_facecolor()[:3],
    ]  # fmt: skip
    return [to_hex(colour) for colour in colours]


def test_greys_are_turned_round_colours_stay_and_all_is_as_it_was_afterwards():
    figure = drawn()
    before = looks_of(figure)
    with in_the_dark(figure) as dark:
        assert looks_of(dark) == [PAPER, PAPER, INK, INK, INK, "#0072b2", PAPER, INK, INK, INK, PAPER]
    assert looks_of(figure) == before
    with pytest.raises(ZeroDivisionError), in_the_dark(figure):
        raise ZeroDivisionError
    assert looks_of(figure) == before


def test_the_ink_of_the_dark_can_be_read_and_opacity_is_kept():
    assert contrast(to_rgba(PAPER), to_rgba(INK)) > 7
    assert turn(np.array([[0.5, 0.5, 0.5, 0.3]]))[0, 3] == 0.3
    assert turn(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("colour", ["#00224e", "#0000ff", "#400000"])
def test_what_could_not_be_seen_in_the_dark_is_lighter_of_the_same_hue(colour):
    (turned,) = turn(np.array([to_rgba(colour, 0.5)]))
    paper = to_rgba(PAPER)
    assert contrast(to_rgba(colour), paper) < 3 <= contrast(turned, paper) < 3.3 and turned[3] == 0.5
    before = np.array(to_rgba(colour)[:3])
    assert (np.diff(turned[:3][np.argsort(before)]) >= -1e-12).all()
    assert to_hex(turn(np.array([to_rgba("#0072b2")]))[0]) == "#0072b2"


def test_what_is_written_on_the_cells_of_a_heat_map_keeps_its_ink():
    figure = fidelity_heatmap(tidy(), "perplexity", "chromium").figure
    cells = [text for axis in figure.axes for text in axis.texts]
    before = [text.get_color() for text in cells]
    assert {to_hex(colour) for colour in before} == {"#000000", "#ffffff"}
    with in_the_dark(figure):
        assert [text.get_color() for text in cells] == before
        assert to_hex(figure.axes[0].title.get_color()) == INK


def test_a_picture_has_both_variants_and_no_other_page_shows_the_dark_one():
    html = Picture(drawn(), "two lines")._repr_html_()
    light, dark = html.split("<img ")[1:]
    assert light.startswith('class="only-light"') and "display: none" not in light
    assert dark.startswith('class="only-dark"') and "display: none" in dark
    assert light.count('alt="two lines"') == dark.count('alt="two lines"') == 1
    assert light.split("base64,")[1][:200] != dark.split("base64,")[1][:2000]
