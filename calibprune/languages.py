"""The study's seven languages (the paper's Table 5): codes, names, families and writing systems."""

from typing import NamedTuple


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
