"""A colour and a marker for each language, told apart with any colour vision and on a grey printer."""

from calibprune.languages import LANGUAGES

# Okabe and Ito's palette without its yellow, which is lost on white paper.
COLOURS = ("#0072b2", "#e69f00", "#000000", "#d55e00", "#cc79a7", "#009e73", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def colour(language: str) -> str:
    """#rrggbb of a language of the study."""
    return COLOURS[list(LANGUAGES).index(language) % len(COLOURS)]


def marker(language: str) -> str:
    """matplotlib's marker of a language of the study."""
    return MARKERS[list(LANGUAGES).index(language) % len(MARKERS)]
