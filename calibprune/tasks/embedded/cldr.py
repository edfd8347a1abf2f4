"""Names of states, currencies and places, and which belong together: the CLDR, from PyPI Babel."""

from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import get_currency_name

from calibprune.corpora.cleaning import plain
from calibprune.errors import ParameterError


@cache
def territory(code: str, language: str) -> str:
    """The name of a state (ISO 3166, "DE") or of a part of the world (UN M49, "155")."""
    return plain(_locale(language).territories[code])


@cache
def currency(code: str, language: str) -> str:
    """The name of a currency (ISO 4217, "EUR")."""
    return plain(_locale(language).currencies[code])


def currency_forms(code: str, language: str) -> list[str]:
    """The names of a currency alone and after numbers ("US Dollar", "US dollars"), without repetitions."""
    # every plural category of Arabic
    after_numbers = (get_currency_name(code, count, _locale(language)) for count in (1, 2, 5, 11, 100))
    return list(dict.fromkeys([currency(code, language), *map(plain, after_numbers)]))


@cache
def place(zone: str, language: str) -> str:
    """The place after which a time zone ("Europe/Berlin") is named; where the CLDR has no own name in a language, the
    English one.

    Looks under the zone's older names as well: the CLDR keeps "Asia/Calcutta" where Babel says "Asia/Kolkata".
    """
    zones = _locale(language).time_zones
    for name in (zone, *_older_names().get(zone, ())):
        if "city" in zones.get(name, {}):
            return plain(zones[name]["city"])
    return plain(zone.rpartition("/")[2].replace("_", " ")) if language == "en" else place(zone, "en")


def currencies_in_use(state: str) -> list[str]:
    """The currencies that are legal tender in a state now."""
    return [code for code, _, until, tender in get_global("territory_currencies")[state] if tender and until is None]


def currencies_ever(state: str) -> set[str]:
    """All currencies that the CLDR lists for a state: current, former, and without legal tender."""
    return {code for code, *_ in get_global("territory_currencies")[state]}


def zones(state: str) -> list[str]:
    """The time zones of a state, in alphabetical order."""
    return sorted(zone for zone, where in get_global("zone_territories").items() if where == state)


def version() -> str:
    """The CLDR's version, as Babel records it."""
    return str(get_global("cldr")["version"])


@cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse({"zh": "zh_Hans"}.get(language, language.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        raise ParameterError(
            f"the CLDR has no language {language!r}: give its row of wording.csv a code that Babel knows"
        ) from None


@cache
def _older_names() -> dict[str, list[str]]:
    older: dict[str, list[str]] = {}
    for old, new in sorted(get_global("zone_aliases").items()):
        older.setdefault(new, []).append(old)
    return older
