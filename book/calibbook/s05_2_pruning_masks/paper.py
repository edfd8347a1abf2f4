"""The paper's own Tables 16 and 17: mean IoU over all layers of Llama-3 8B's masks, SparseGPT at 50%, three draws a
language.

Transcribed from the paper's text. There the rows of ffn.gate and ffn.down in Table 17 are garbled: these six numbers
are not known.
"""

from pathlib import Path

from calibbook.shared.paper import Numbers

NUMBERS = Numbers(Path(__file__).with_name("paper.csv"))
MODEL = "llama3-8b"


def pairs(kind: str) -> list[tuple[str, str]]:
    """The pairs of languages that a table has, in the order of its columns; `kind` is "within" or "between"."""
    rows = NUMBERS.frame[NUMBERS.frame["kind"] == kind]
    return list(dict.fromkeys(zip(rows["first"], rows["second"], strict=True)))
