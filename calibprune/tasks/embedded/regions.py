"""Which part of the world a state lies in: the CLDR's territory containment (UN M49), which Babel does not carry.

Only member states of the United Nations, so that every name is a country's. Source: CLDR, supplementalData.xml.
"""

# subregion -> (continent, member states)
SUBREGIONS: dict[str, tuple[str, str]] = {
    "011": ("002", "BF BJ CI CV GH GM GN GW LR ML MR NE NG SL SN TG"),  # Western Africa
    "014": ("002", "BI DJ ER ET KE KM MG MU MW MZ RW SC SO SS TZ UG ZM ZW"),  # Eastern Africa
    "015": ("002", "DZ EG LY MA SD TN"),  # Northern Africa
    "017": ("002", "AO CD CF CG CM GA GQ ST TD"),  # Middle Africa
    "018": ("002", "BW LS NA SZ ZA"),  # Southern Africa
    "005": ("019", "AR BO BR CL CO EC GY PE PY SR UY VE"),  # South America
    "013": ("019", "BZ CR GT HN MX NI PA SV"),  # Central America
    "021": ("019", "CA US"),  # Northern America
    "029": ("019", "AG BB BS CU DM DO GD HT JM KN LC TT VC"),  # Caribbean
    "030": ("142", "CN JP KP KR MN"),  # Eastern Asia
    "034": ("142", "AF BD BT IN IR LK MV NP PK"),  # Southern Asia
    "035": ("142", "BN ID KH LA MM MY PH SG TH TL VN"),  # South-Eastern Asia
    "143": ("142", "KG KZ TJ TM UZ"),  # Central Asia
    "145": ("142", "AE AM AZ BH CY GE IL IQ JO KW LB OM QA SA SY TR YE"),  # Western Asia
    "039": ("150", "AD AL BA ES GR HR IT ME MK MT PT RS SI SM"),  # Southern Europe
    "151": ("150", "BG BY CZ HU MD PL RO RU SK UA"),  # Eastern Europe
    "154": ("150", "DK EE FI GB IE IS LT LV NO SE"),  # Northern Europe
    "155": ("150", "AT BE CH DE FR LI LU MC NL"),  # Western Europe
    "053": ("009", "AU NZ"),  # Australia and New Zealand
    "054": ("009", "FJ PG SB VU"),  # Melanesia
    "057": ("009", "FM KI MH NR PW"),  # Micronesia
    "061": ("009", "TO TV WS"),  # Polynesia
}

SUBREGION = {state: code for code, (_, states) in SUBREGIONS.items() for state in states.split()}
CONTINENT = {state: continent for continent, states in SUBREGIONS.values() for state in states.split()}
STATES = tuple(sorted(SUBREGION))
