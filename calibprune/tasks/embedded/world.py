"""What the CLDR knows and a model may know: the currency of a state, the part of the world it lies in, the state of a
place.

A fact names its subject and its answer by codes, so that it is one and the same in every language. Which facts there
are is decided by the names in the paper's seven languages: a further language changes nothing for them, and has those
facts that are clear in it too.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from calibprune.corpora.base import digest
from calibprune.corpora.cleaning import sameness
from calibprune.languages import PAPER_LANGUAGES
from calibprune.tasks.embedded import cldr
from calibprune.tasks.embedded.regions import CONTINENT, STATES, SUBREGION, SUBREGIONS
from calibprune.tasks.embedded.wording import spaced

PLACES_A_STATE = 5  # without it every fifth place would be in the United States, Canada or Russia
# States on the border of two continents, for which two answers are in use.
TWO_CONTINENTS = frozenset(["AM", "AZ", "CY", "EG", "GE", "ID", "KZ", "RU", "TL", "TR"])
CHANGED = frozenset(["BG"])  # the euro since 2026, which this CLDR does not know yet
# What people pay with besides their own currency is no distractor: the US dollar nearly everywhere, other currencies in
# some states.
PAID_WITH_ELSEWHERE = "USD"
ALSO_TAKEN = {
    "AL": "EUR",
    "BA": "EUR",
    "BN": "SGD",
    "CH": "EUR",
    "CY": "TRY",
    "LI": "EUR",
    "MK": "EUR",
    "NP": "INR",
    "RS": "EUR",
    "SG": "BND",
    "SZ": "ZAR",
}
# Places whose state is disputed, and one whose name several neighbours have as well.
UNCLEAR = frozenset(["Asia/Famagusta", "Asia/Jerusalem", "Europe/Simferopol", "America/La_Paz"])
SHARE_NAMES_OF_TOWNS = frozenset(["CA", "US"])


class Fact(NamedTuple):
    """`kind` is "currency", "region" or "place"; `rivals` are wrong answers of the same kind, from which distractors
    may be taken.
    """

    kind: str
    subject: str
    answer: str
    rivals: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.subject}"


# kind -> names of subject and of answer
NAMES: dict[str, tuple[Callable[[str, str], str], Callable[[str, str], str]]] = {
    "currency": (cldr.territory, cldr.currency),
    "region": (cldr.territory, cldr.territory),
    "place": (cldr.place, cldr.territory),
}


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, kind after kind, each with at least three rivals. No place is named like its state in any of the
    seven languages.
    """
    return (*_currencies(), *_regions(), *_places())


def clear(fact: Fact, language: str, choices: tuple[str, ...] = ()) -> bool:
    """Whether a fact can be asked in a language, as all can in the seven: the CLDR has its names there, no two of the
    choices have the same one, and no place is named like its state.
    """
    subject, answer = NAMES[fact.kind]
    try:
        asked, right = sameness(subject(fact.subject, language)), sameness(answer(fact.answer, language))
        names = {sameness(answer(code, language)) for code in choices}
    except KeyError:
        return False
    return len(names) == len(choices) and not (fact.kind == "place" and _named_alike(asked, right, language))


def _currencies() -> list[Fact]:
    used = {state: codes[0] for state in STATES if len(codes := cldr.currencies_in_use(state)) == 1}
    states_of: dict[str, list[str]] = {}
    for state, code in used.items():
        states_of.setdefault(code, []).append(state)
    result = []
    for state, code in used.items():
        excluded = (
            cldr.currencies_ever(state)
            | {used[other] for other in _alike(state) if other in used}
            | {PAID_WITH_ELSEWHERE, ALSO_TAKEN.get(state)}
        )
        wrong = [other for other in states_of if other not in excluded]
        near = [other for other in wrong if any(CONTINENT[s] == CONTINENT[state] for s in states_of[other])]
        result.append(Fact("currency", state, code, tuple(near if len(near) >= 3 else wrong)))
    return [fact for fact in result if fact.subject not in CHANGED]


def _regions() -> list[Fact]:
    """Rivals lie in other continents: which part of its own continent a state belongs to is often told in two ways."""
    return [
        Fact(
            "region",
            state,
            SUBREGION[state],
            tuple(code for code, (continent, _) in SUBREGIONS.items() if continent != CONTINENT[state]),
        )
        for state in STATES
        if state not in TWO_CONTINENTS
    ]


def _places() -> list[Fact]:
    """Rivals are neighbours: states of the same part of the world, or of the same continent where that has fewer than
    four.
    """
    result = []
    for state in STATES:
        wrong = [
            other
            for other in STATES
            if other != state and other not in _alike(state) and {state, other} != SHARE_NAMES_OF_TOWNS
        ]
        near = [other for other in wrong if SUBREGION[other] == SUBREGION[state]]
        rivals = tuple(near if len(near) >= 3 else [other for other in wrong if CONTINENT[other] == CONTINENT[state]])
        zones = sorted(
            (zone for zone in cldr.zones(state) if zone not in UNCLEAR), key=lambda zone: digest("place", zone)
        )
        result += [Fact("place", zone, state, rivals) for zone in zones if not _gives_away(zone, state)][
            :PLACES_A_STATE
        ]
    elsewhere = Counter((language, name) for fact in result for language, name in _place_names(fact.subject).items())
    return [fact for fact in result if all(elsewhere[pair] == 1 for pair in _place_names(fact.subject).items())]


def _gives_away(zone: str, state: str) -> bool:
    """Whether a place is named like its state in one of the seven languages: Tunis in Arabic and Spanish, Mexico City,
    Singapore.
    """
    places, states = _place_names(zone), _state_names(state)
    return any(_named_alike(place, states[language], language) for language, place in places.items())


def _named_alike(place: str, state: str, language: str) -> bool:
    return place in state or state in place or (spaced(language) and place[:4] == state[:4])


@cache
def _alike(state: str) -> frozenset[str]:
    """The states whose name, in one of the seven languages, is contained in this one's or contains it: Niger and
    Nigeria, the two Congos.
    """
    names = _state_names(state)
    return frozenset(
        other
        for other in STATES
        if other != state and any(a in names[key] or names[key] in a for key, a in _state_names(other).items())
    )


@cache
def _state_names(state: str) -> dict[str, str]:
    return {language: sameness(cldr.territory(state, language)) for language in PAPER_LANGUAGES}


@cache
def _place_names(zone: str) -> dict[str, str]:
    return {language: sameness(cldr.place(zone, language)) for language in PAPER_LANGUAGES}
