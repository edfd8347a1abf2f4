import base64
import io
from html import escape

from matplotlib.figure import Figure

from calibbook.shared.frames import METHODS, setting
from calibbook.shared.html import Html
from calibprune.errors import ParameterError


def block_title(block: tuple) -> str:
    """`gemma3-270m, Wanda, 50%`."""
    model, method, sparsity, pattern = block
    return f"{model}, {METHODS.get(method, method)}, {setting(sparsity, pattern)}"


def show(figure: Figure, alt: str) -> Html:
    """The figure as an image in the page with `alt` as its alternative text; the same bytes for the same figure."""
    if not alt.strip():
        raise ParameterError("a figure without alternative text: pass what it shows in words")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=144, metadata={"Software": None})
    source = base64.b64encode(data.getvalue()).decode()
    return Html(
        f'<img src="data:image/png;base64,{source}" alt="{escape(alt)}" style="max-width: 100%; height: auto">', alt
    )
