"""A figure of the book: its panels, and the picture that a page shows with its alternative text."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from PIL import Image

from calibbook.shared.dark import in_the_dark
from calibbook.shared.frames import METHODS, setting
from calibbook.shared.narrow import WIDTH, on_a_phone
from calibprune.errors import ParameterError

WIDE = 11.5  # inches from which on a figure scrolls
PHONE = "(max-width: 600px)"  # as in the book's style sheet
LARGE, SMALL = 144, 120  # pixels an inch of an image, and of one for a phone: with more the book would exceed 30 MB
LEGIBLE = 80  # pixels an inch at which 8-point labels can be read


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A figure and what it shows in words: an image with alternative text in a notebook, the words alone elsewhere.

    The same figure gives the same bytes. A wide one scrolls in its box rather than shrink until its labels cannot be
    read; one that is as narrow as a phone does not. On a phone one that `folds`, whose panels are those of `panels` and
    can stand in other lines as well, has its panels below each other; in place of one that cannot, `narrow` is shown. A
    page in the dark shows a dark one instead; both have the classes of the book's theme for that. Raises ParameterError
    if there are no words.
    """

    figure: Figure
    alt: str
    folds: bool = False
    narrow: Figure | None = None

    def __post_init__(self):
        if not self.alt.strip():
            raise ParameterError("a figure without alternative text: pass what it shows in words")

    def _repr_html_(self) -> str:
        width = self.figure.get_figwidth()
        wide = f"min-width: {LEGIBLE * width:.0f}px; " if width > WIDE else "min-width: 0; " if width <= WIDTH else ""
        style = f"{wide}max-width: 100%; height: auto"
        # the book's style sheet shows the second one in the dark
        modes = {"only-light": style, "only-dark": f"display: none; {style}"}
        wide, narrow = _both(self.figure, LARGE), {}
        if self.folds:
            with on_a_phone(self.figure) as otherwise:  # before the dark, which turns the ink of what is there
                narrow = _both(self.figure, SMALL) if otherwise else {}
        elif self.narrow is not None:
            narrow = _both(self.narrow, SMALL)
        images = []
        for kind, look in modes.items():
            image = f'<img class="{kind}" src="{wide[kind]}" alt="{escape(self.alt)}" style="{look}">'
            source = f'<source media="{PHONE}" srcset="{narrow[kind]}">' if narrow else ""
            images.append(f"<picture>{source}{image}</picture>" if narrow else image)
        return "".join(images)

    def __repr__(self) -> str:
        return self.alt


def _both(figure: Figure, dpi: int) -> dict[str, str]:
    """A figure as it is now, light and dark, by class. It is laid out once, which takes as long as to draw it."""
    engine, size = figure.get_layout_engine(), figure.dpi
    figure.dpi = dpi
    try:
        light = _address(drawn(figure))
        figure.set_layout_engine("none")
        with in_the_dark(figure):
            return {"only-light": light, "only-dark": _address(drawn(figure))}
    finally:
        figure.set_layout_engine(engine)
        figure.dpi = size


def drawn(figure: Figure) -> Image.Image:
    """What `savefig` saves, after one pass over a figure's parts where that takes two."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _address(image: Image.Image) -> str:
    """An image inside its own address: in the 256 colours that come closest, as WebP without further loss, which is a
    fifth smaller than PNG. What is drawn in flat colours keeps them; edges of letters and lines move by less than an
    eye can see.
    """
    small = io.BytesIO()
    few = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.convert("RGB").save(small, "webp", lossless=True, method=3)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"


def panels(
    count: int,
    columns: int,
    width: float,
    height: float | Sequence[float],
    margin: tuple[float, float] = (0.0, 0.0),
    words: float = 0.0,
    **options,
) -> tuple[Figure, list[Axes]]:
    """A figure with room for `count` panels in lines of at most `columns`, and their axes in reading order.

    width and height are those of one panel in inches, margin what the figure has beside and above all panels, for
    titles and legends. With a height for each panel, a line is as high as its highest one; `words` is the part of a
    height that a panel's own title and labels take. options: those of matplotlib's `subplots`, as `sharey`.
    """
    columns = min(columns, count)
    heights = [height] * count if isinstance(height, (int, float)) else height
    lines = [max(heights[start : start + columns]) for start in range(0, count, columns)]
    figure = Figure(figsize=(margin[0] + columns * width, margin[1] + sum(lines)), layout="constrained")
    return figure, lay_out(figure, count, columns, height_ratios=[line - words for line in lines], **options)


def lay_out(figure: Figure | SubFigure, count: int, columns: int, **options) -> list[Axes]:
    """As `panels`, in a figure or a part of one that exists."""
    columns = min(columns, count)
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, **options).ravel()
    for axis in axes[count:]:
        axis.remove()
    return list(axes[:count])


def one_legend(figure: Figure, axes: list[Axes], columns: int = 2) -> None:
    """Below all panels, every label of theirs once."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns, fontsize=8)


def block_title(block: tuple) -> str:
    """`gemma3-270m, Wanda, 50%`."""
    model, method, sparsity, pattern = block
    return f"{model}, {METHODS.get(method, method)}, {setting(sparsity, pattern)}"
