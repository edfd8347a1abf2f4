"""Languages: the table of those that the packaged text has, names for all others, and mixtures of languages.

A language is whatever a text source has under a code. `languages.csv` describes 49 of them, one row each; a code that
is not in it is as good, but its family and script are not known here.
"""

import csv
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from calibprune.errors import ParameterError, quoted

NOT_KNOWN = "not known"
PAPER_LANGUAGES = ("ar", "de", "en", "es", "ru", "sw", "zh")
"""The study's seven languages (the paper's Table 5)."""
CODE = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
"""What a code looks like: letters and digits, with `-` or `_` between its parts."""


class Language(NamedTuple):
    """What is known of a language.

    Attributes:
        name: in English.
        family, branch, script: "not known" where the table has no such language.
        iso639_3, chromium, udhr, flores, mc4: its code in ISO 639-3 and its name in text sources: the file of
            Chromium's messages, the page of the Declaration, the code of FLORES and Belebele, that of mC4. Empty where
            not known.
    """

    name: str
    family: str = NOT_KNOWN
    branch: str = NOT_KNOWN
    script: str = NOT_KNOWN
    iso639_3: str = ""
    chromium: str = ""
    udhr: str = ""
    flores: str = ""
    mc4: str = ""


def _table() -> dict[str, Language]:
    with (Path(__file__).parent / "languages.csv").open(encoding="utf-8", newline="") as file:
        return {row.pop("code"): Language(**row) for row in csv.DictReader(file, restval="")}


LANGUAGES: dict[str, Language] = _table()
"""The languages of the table by code, in the order of codes."""


@cache
def describe(code: str) -> Language:
    """What is known of the language of that code: its row of the table, else its name from the Unicode CLDR."""
    return LANGUAGES.get(code) or Language(_name(code))


def _name(code: str) -> str:
    """The English name that the CLDR has for a code such as "pt-PT" or "yo"; the code itself where it has none."""
    try:
        from babel import Locale, parse_locale  # not needed to prune
        from babel.core import get_global
    except ModuleNotFoundError:
        return code
    try:
        language, territory, script, *_ = parse_locale(code.replace("-", "_"))
    except ValueError:
        return code
    english = Locale("en")
    language = get_global("language_aliases").get(language, language).split("_")[0]
    if language not in english.languages:
        return code
    details = ", ".join(filter(None, [english.scripts.get(script), english.territories.get(territory)]))
    return english.languages[language] + (f" ({details})" if details else "")


def in_order(codes) -> list[str]:
    """Codes without repetition: the table's in its order, then others by name."""
    return sorted(dict.fromkeys(codes), key=lambda code: (code not in LANGUAGES, code))


def mixture(value: str) -> tuple[str, ...]:
    """The languages of a calibration text such as "de" or "ar+en". Whether they exist is for the source to say.

    Raises:
        ParameterError: no code of a language, or one named twice.
    """
    codes = tuple(str(value).split("+"))
    for code in codes:
        check_code(code)
    if len(set(codes)) != len(codes):
        raise ParameterError(
            f"calibration {quoted(value)} names a language twice: each language of a mixture has an equal share"
        )
    return codes


def check_code(code: str) -> str:
    """The code. Raises ParameterError where it cannot be one of a language."""
    if not isinstance(code, str) or not CODE.fullmatch(code):
        raise ParameterError(f"language {quoted(code)} is no code of a language; write one such as 'de' or 'pt-BR'")
    return code
