"""A figure on a phone: panels below each other, every one with its labels, and afterwards the figure that it was."""

import io

import pytest
from bs4 import BeautifulSoup
from drawing import outside
from frames import tidy
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from PIL import Image

from calibbook.s04_1_pruning_results.figures import fidelity_heatmap
from calibbook.shared.dark import in_the_dark
from calibbook.shared.figure import Picture, one_legend, panels
from calibbook.shared.narrow import LEAST, WIDTH, on_a_phone


def drawn(count: int = 5, columns: int = 3, width: float = 3.0, **options):
    figure, axes = panels(count, columns, width, 2.0, **options)
    for place, axis in enumerate(axes):
        axis.plot([0, 1 + place], label="a line")
        axis.set_title(f"panel {place}")
        if place % columns == 0:
            axis.set_ylabel("up")
    one_legend(figure, axes)
    return figure


def image(figure) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png")
    return made.getvalue()


@pytest.mark.parametrize(
    ("width", "lines", "columns"), [(3.0, 5, 1), (2.0, 3, 2), (4.9, 5, 1), (6.0, 5, 1)], ids=lambda value: str(value)
)
def test_panels_stand_below_each_other_in_their_order(width, lines, columns):
    figure = drawn(width=width)
    with on_a_phone(figure) as otherwise:
        assert otherwise
        assert LEAST <= figure.get_figwidth() <= max(WIDTH, width)
        assert figure.get_figheight() == pytest.approx(2.0 * lines)
        places = [axis.get_subplotspec() for axis in figure.axes]
        assert [(one.rowspan.start, one.colspan.start) for one in places] == [divmod(n, columns) for n in range(5)]
        assert outside(figure) == []


def test_afterwards_it_is_as_it_was():
    figure = drawn(sharey=True)
    before = image(figure)
    with on_a_phone(figure):
        assert image(figure) != before
    assert image(figure) == before


def test_titles_and_legends_take_more_lines_and_say_the_same():
    figure, axes = panels(4, 4, 3.0, 2.0)
    for axis in axes:
        for place in range(6):
            axis.plot([0, place], label=f"a line that is calibrated in language {place}")
    one_legend(figure, axes, columns=6)
    figure.suptitle("a title of many words " * 6, fontsize=10)
    before, words = image(figure), [text.get_text() for text in figure.legends[0].get_texts()]
    with on_a_phone(figure):
        assert outside(figure) == []
        with in_the_dark(figure):
            assert sum(to_rgb(figure.legends[-1].get_texts()[0].get_color())) > 2  # light letters
        assert figure.get_suptitle().split() == ("a title of many words " * 6).split()
        assert [text.get_text() for text in figure.legends[-1].get_texts()] == words
    assert len(figure.legends) == 1 and image(figure) == before


def test_marks_with_intervals_stay_marks_in_a_legend_of_more_lines():
    figure, axes = panels(2, 2, 4.0, 2.0)
    for place in range(6):
        axes[0].errorbar([0], [place], xerr=[1], fmt="o", label=f"a mark with an interval, {place}")
    one_legend(figure, axes, columns=6)
    with on_a_phone(figure):
        assert len(figure.legends) == 2
        assert [handle.get_marker() for handle in figure.legends[-1].findobj(Line2D) if handle.get_marker() != "None"]


def test_labels_that_a_line_shared_are_on_each_of_its_panels():
    figure = drawn(sharey=True)
    with on_a_phone(figure):
        assert [axis.yaxis.get_tick_params()["labelleft"] for axis in figure.axes] == [True] * 5
        assert [axis.get_ylabel() for axis in figure.axes] == ["up"] * 5


def test_a_line_has_the_height_of_its_highest_panel():
    figure, _ = panels(2, 2, 4.0, [1.0, 3.0])
    with on_a_phone(figure):
        assert figure.get_figheight() == pytest.approx(6.0)  # the two stood in a line of the height of the second


@pytest.mark.parametrize(("count", "columns", "width"), [(1, 1, 4.0), (4, 2, 2.4)])
def test_what_is_narrow_stays_as_it_is(count, columns, width):
    figure = drawn(count, columns, width)
    with on_a_phone(figure) as otherwise:
        assert not otherwise
    assert "source" not in Picture(figure, "lines", folds=True)._repr_html_()


def test_a_page_has_both_and_a_phone_takes_the_narrow_one():
    picture = fidelity_heatmap(tidy(), "perplexity", "chromium")
    with on_a_phone(picture.figure) as otherwise:
        assert otherwise and outside(picture.figure) == []
    soup = BeautifulSoup(picture._repr_html_(), "html.parser")
    assert [one.img["class"] for one in soup.select("picture")] == [["only-light"], ["only-dark"]]
    for one in soup.select("picture"):
        assert one.source["media"] == "(max-width: 600px)" and one.source["srcset"] != one.img["src"]
    assert not Picture(picture.figure, "words")._repr_html_().startswith("<picture")


def test_in_the_dark_a_legend_in_more_lines_is_as_dark_as_the_figure(monkeypatch):
    seen = []
    figure, axes = panels(4, 4, 3.0, 2.0)
    for place in range(6):
        axes[0].plot([0, place], label=f"a line that is calibrated in language {place}")
    one_legend(figure, axes, columns=6)

    def drawn(figure):
        seen.append(sum(to_rgb(figure.legends[-1].get_frame().get_facecolor())))
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("calibbook.shared.figure.drawn", drawn)
    Picture(figure, "words", folds=True)._repr_html_()
    assert [value > 1.5 for value in seen] == [True, False, True, False]  # wide and narrow, each light and dark
