"""The prompts of the CLDR's facts in the seven languages: labels and names, so that no name needs an article, a case or
an agreement.
"""

from calibprune.tasks.embedded.cutting import joint

# (label of the subject, label of the answer) by kind of fact
LABELS: dict[str, dict[str, tuple[str, str]]] = {
    "currency": {
        "ar": ("الدولة", "العملة"),
        "de": ("Land", "Währung"),
        "en": ("Country", "Currency"),
        "es": ("País", "Moneda"),
        "ru": ("Страна", "Валюта"),
        "sw": ("Nchi", "Sarafu"),
        "zh": ("国家", "货币"),
    },
    "region": {
        "ar": ("الدولة", "المنطقة من العالم"),
        "de": ("Land", "Weltregion"),
        "en": ("Country", "Part of the world"),
        "es": ("País", "Región del mundo"),
        "ru": ("Страна", "Регион мира"),
        "sw": ("Nchi", "Eneo la dunia"),
        "zh": ("国家", "世界地区"),
    },
    "place": {
        "ar": ("المكان", "الدولة"),
        "de": ("Ort", "Land"),
        "en": ("Place", "Country"),
        "es": ("Lugar", "País"),
        "ru": ("Место", "Страна"),
        "sw": ("Mahali", "Nchi"),
        "zh": ("地点", "国家"),
    },
}
COLON = {"zh": "："}


def question(kind: str, subject: str, language: str) -> str:
    """Two lines: the subject with its label, and the label of the answer, after which the answer is to stand."""
    first, second = LABELS[kind][language]
    colon = COLON.get(language, ":")
    return f"{first}{colon}{joint(language)}{subject}\n{second}{colon}"


def answered(kind: str, subject: str, answer: str, language: str) -> str:
    """The question with its answer."""
    return question(kind, subject, language) + joint(language) + answer
