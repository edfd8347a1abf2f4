"""The study's seven languages (the paper's Table 5): codes, names, families and scripts; and mixtures of them."""

from typing import NamedTuple

from calibprune.errors import ParameterError, one_of


class Language(NamedTuple):
    name: str
    family: str
    script: str


LANGUAGES: dict[str, Language] = {
    "ar": Language("Arabic", "Afro-Asiatic (Semitic)", "Arabic"),
    "de": Language("German", "Indo-European (Germanic)", "Latin"),
    "en": Language("English", "Indo-European (Germanic)", "Latin"),
    "es": Language("Spanish", "Indo-European (Romance)", "Latin"),
    "ru": Language("Russian", "Indo-European (Balto-Slavic)", "Cyrillic"),
    "sw": Language("Swahili", "Niger-Congo (Atlantic-Congo)", "Latin"),
    "zh": Language("Chinese (simplified)", "Sino-Tibetan (Sinitic)", "Simplified Han"),
}


def mixture(value: str) -> tuple[str, ...]:
    """The languages of a calibration text such as "de" or "ar+en".

    Raises:
        ParameterError: an unknown language, or one named twice.
    """
    codes = tuple(str(value).split("+"))
    for code in codes:
        if code not in LANGUAGES:
            raise ParameterError(one_of("language", code, LANGUAGES))
    if len(set(codes)) != len(codes):
        raise ParameterError(
            f"calibration {value!r} names a language twice: each language of a mixture has an equal share"
        )
    return codes
