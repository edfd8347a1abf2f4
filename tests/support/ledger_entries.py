"""A ledger of five claims of the file, with tests that are made up."""

from calibbook.ledger.data import Entry, page_of
from calibbook.s04_6_quantization.tables import PAPER
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.registered import registered

TESTS = [
    Claim("", "udhr", "perplexity", "a", "wanda", "50%", "+3.0 points", 3.0, 1.0, 5.0, p=0.01, verdict="held"),
    Claim("", "udhr", "perplexity", "a", "sparsegpt", "50%", "+9.0 points", 9.0, 7.0, 11.0, p=0.001, verdict="held"),
    Claim("", "udhr", "snr_db", "a", "wanda", "50%", "2.00 dB", 2.0, -1.0, 5.0, "dB", p=0.5, verdict="undecided"),
    Claim("", "chromium", "snr_db", "a", "wanda", "50%", "one model"),
]


def entry(name: str, tests: list[Claim] = (), paper: list[Claim] = (), why: str = "", items="8 questions") -> Entry:
    """The entry of one claim of the file, with tests that have its words."""
    words = registered()[name].claim
    own, theirs = (
        claims_frame([Claim(**(vars(one) | {"claim": words})) for one in some]).assign(items=items, draws="1")
        for some in (tests, paper)
    )
    return Entry(registered()[name], page_of(registered()[name]), own, theirs, why)


ENTRIES = [
    entry("4.1-target-better", TESTS),
    entry("4.2-english-strongest", why="These records hold nothing."),
    entry("4.6-target-better", TESTS[:1], [Claim("", model=PAPER, what="−0.1 points", verdict="not held")]),
    entry("6-perplexity-not-tasks", why="It is a conjunction."),
    entry("beyond-equal-memory", TESTS[1:2]),
]
