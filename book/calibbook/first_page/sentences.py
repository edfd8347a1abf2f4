"""The five sentences that the book opens with. Every number in them comes from records; a verdict is that of the claim
on its own page.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pandas as pd

from calibbook.first_page.choices import EVERY, WITH_ENGLISH, label, largest
from calibbook.first_page.findings import Findings
from calibbook.first_page.relatives import ENGLISH, NEAREST, Relatives, change
from calibbook.s04_4_multiple_languages import data as mixed
from calibbook.shared.claim_tables import interval, verdict_sentence
from calibbook.shared.claims import directed
from calibbook.shared.draws import ONE_DRAW
from calibbook.shared.frames import BLOCK, method_label, setting
from calibbook.shared.languages import NO_TARGET, name_label
from calibbook.shared.statistics import ALPHA
from calibbook.shared.verdicts import HELD, NOT_HELD, UNDECIDED
from calibbook.shared.words import as_given, in_caption, listed, number, uncapital

EACH_UP_TO = 4
"""Results that a sentence gives one by one; of more it gives how many came out how."""
LEVEL = f"{as_given(1 - ALPHA)}% interval"
BRACKETS = f"In brackets: {LEVEL}s, and a test's verdict where the words in bold do not tell it."
WHY_UNDECIDED = "Why some are undecided"
BOTH_WAYS = "the interval holds better and worse"
HIGHER, POINTS = "% higher", "points higher"


class Lead(NamedTuple):
    """How a sentence begins: where all that was tested held, where none of it did, and what the question was; `that`:
    what the tests are about, in short, said with counts of verdicts where the sentence begins with its contrary.
    """

    held: str
    not_held: str
    whether: str
    that: str

    def of(self, verdicts: Iterable[str]) -> str:
        found = set(verdicts)
        if {HELD, NOT_HELD} <= found:
            return f"Whether {self.whether} differs between the cases"
        if found == {UNDECIDED}:
            return f"Whether {self.whether} is {UNDECIDED}"
        said = self.held if HELD in found else self.not_held
        return f"{said}, as far as it is decided" if UNDECIDED in found else said

    def without(self, why: str) -> str:
        return f"**Whether {self.whether} is {UNDECIDED}:** {why}."


USE = Lead(
    "Calibrate in the language that the model is for",
    "Calibrating in the language that the model is for does not pay",
    "it pays to calibrate in the language that the model is for",
    "that it pays",
)
ALONE = Lead(
    "Calibrating in English alone costs the other languages",
    "Calibrating in English alone serves the other languages better than they serve themselves",
    "calibrating in English alone costs the other languages anything",
    "that it costs them",
)
MORE = Lead(
    "Add further languages to the target language: they help it",
    "Further languages beside the target language do not help it",
    "further languages beside the target language help it",
    "that they help",
)
QUANTIZE = Lead(
    "At about equal memory quantize rather than prune",
    "At about equal memory prune rather than quantize",
    "to quantize rather than prune at about equal memory",
    "that quantizing keeps more",
)
ANSWERS = Lead(
    "Models calibrated in the target language also answer multiple-choice questions better",
    "Models calibrated in the target language do not answer multiple-choice questions better",
    "models calibrated in the target language answer multiple-choice questions better",
    "that they answer better",
)

RELATIVE = Lead(
    "Without text in the target language calibrate in its nearest relative",
    "Without text in the target language its nearest relative is no better than the average other language",
    "the nearest relative of a target language serves it better than the average other language",
    "that it serves it better",
)


def five(found: Findings) -> list[str]:
    """The five sentences, for any study: what it has no records of is undecided, and why is said."""
    return [language_of_use(found), english_alone(found), further_languages(found), quantize(found), tasks(found)]


def language_of_use(found: Findings) -> str:
    """What the target language gains over the average other one (`4.1-target-better`)."""
    if found.target.empty:
        return USE.without("there is no perplexity of pruned models that were calibrated")
    name = namer(found.target)
    before = "against the average other language, perplexity is"
    return _said(USE, found.target, before, lambda row: f"{row.what} with {name(row)}")


def english_alone(found: Findings) -> str:
    """How much more perplexity the other languages have after calibration in English than in themselves."""
    if found.english.empty:
        return ALONE.without("no language other than English has models calibrated in English and in itself")
    name = namer(found.english)
    before = "against the target language, perplexity is"
    return _said(ALONE, _higher(found.english), before, lambda row: f"{row.what} with {name(row)}")


def further_languages(found: Findings) -> str:
    """What the mixtures of the table change against the target language alone (`beyond-mixtures-perplexity`)."""
    rows, shown = _mixtures(found)
    if rows.empty:
        return MORE.without("no mixture of languages stands beside its target language alone")
    name = namer(rows)
    before = "against the target language alone, perplexity is"
    return _said(MORE, _higher(rows), before, lambda row: f"{row.what} for {shown[row.setup]} with {name(row)}")


def _mixtures(found: Findings) -> tuple[pd.DataFrame, dict[str, str]]:
    """The claims on the mixtures of the table, with the column `setup`, and what the table calls each of these."""
    shown = {mixed.WITH_ENGLISH: label(WITH_ENGLISH, found.texts)}
    if every := largest(found.texts):
        shown |= dict.fromkeys((every, mixed.number_of_languages(every)), label(EVERY, found.texts))
    rows = found.mixtures
    if len(rows):
        rows = rows.assign(setup=[metric.rpartition(", ")[0] for metric in rows["metric"]])
        rows = rows[rows["setup"].isin(list(shown))]
    return rows, shown


def quantize(found: Findings) -> str:
    """The claim `beyond-equal-memory`, and how much the choices of calibration differ where weights are rounded."""
    if not (found.pruned and found.quantized):
        missing = [word for word, there in (("pruned", found.pruned), ("quantized", found.quantized)) if not there]
        said = QUANTIZE.without(f"there is no perplexity of {' or '.join(missing)} models")
    elif found.memory.empty:
        said = QUANTIZE.without(
            "no two models of about equal size were calibrated in the language they are measured in"
        )
    else:
        several = found.memory["model"].nunique() > 1
        among = ", English among them" * ("en" in found.measured)
        said = _said(
            QUANTIZE,
            _higher(found.memory),
            "perplexity is",
            lambda row: f"{row.what} with {_sizes(row, several)}",
            among,
        )
    return " ".join(filter(None, [said, _english_rounded(found.rounded)]))


def tasks(found: Findings) -> str:
    """What the target language gains in tasks: where an answer is chosen (`4.2-target-better`), and where the model
    writes it.
    """
    return " ".join(filter(None, [_chosen(found), _written(found)]))


def _chosen(found: Findings) -> str:
    if not found.items:
        return ANSWERS.without("no task with choices was measured")
    asked = f"from {in_caption(found.items)} questions a task and language"
    if found.tasks.empty:
        return ANSWERS.without(f"{asked}, no target language can be compared with others")
    name = namer(found.tasks)
    before = f"in {found.tasks['metric'].iloc[0]}, against the average other language, the score is"
    return _said(ANSWERS, _points(found.tasks), before, lambda row: f"{row.what} with {name(row)}", f", {asked}")


def _written(found: Findings) -> str:
    """Which of it holds where the model writes its answers; a verdict is said in any case."""
    known = _points(_known(found.written))
    if known.empty:
        return ""
    before = f"In {known['metric'].iloc[0]}, where the model writes the answer itself"
    if len(known) > EACH_UP_TO:
        return f"{before}, {uncapital(verdict_sentence(known))}"
    name = namer(known)
    results = listed(f"{row.what} with {name(row)}{_bracket(interval(row), row.verdict)}" for row in known.itertuples())
    return f"{before}, the score is {results}, from {in_caption(found.written_items)} questions a language."


def without_text(found: Relatives | None) -> str:
    """What the nearest relative gains over the average other language, and English over the relative, in the atlas;
    empty where there is none.
    """
    if found is None:
        return ""
    name = namer(found.claims)
    several = found.rows["model"].nunique() > 1
    instead = [
        f"{directed(more, HIGHER)} with {block_name(block, several)}"
        for block, rows in found.rows.groupby(BLOCK, sort=False)
        if math.isfinite(more := change(rows, ENGLISH, NEAREST)[0])
    ]
    after = " of the atlas"
    after += f"; English in the relative's place makes it {listed(instead)}" * bool(instead)
    before = "against the average other language, perplexity is"
    said = _said(RELATIVE, _higher(found.claims), before, lambda row: f"{row.what} with {name(row)}", after)
    worst = found.rows.loc[found.rows[NEAREST].idxmax()]
    case = f"{name_label(worst['language'])}, {block_name(tuple(worst[BLOCK]), several)}"
    return (
        f"{said} At worst the relative leaves {number(math.exp(worst[NEAREST]))} times the dense perplexity ({case})."
    )


def why_undecided(found: Findings) -> list[str]:
    """Why results of the sentences are undecided: one line a reason, with the results that it is about."""
    mixtures, shown = _mixtures(found)
    results = (
        (found.target, lambda row, name: f"the target language with {name}"),
        (found.english, lambda row, name: f"English alone with {name}"),
        (mixtures, lambda row, name: f"{shown[row.setup]} with {name}"),
        (found.memory, lambda row, name: _sizes(row, found.memory["model"].nunique() > 1)),
        (found.rounded, lambda row, name: f"English with {name}"),
        (found.tasks, lambda row, name: f"{row.metric} with {name}"),
        (found.written, lambda row, name: f"{row.metric} with {name}"),
    )
    reasons: dict[str, list[str]] = {}
    for rows, words in results:
        known = _known(rows)
        name = namer(known)
        for row in known[known["verdict"] == UNDECIDED].itertuples():
            if why := row.note or BOTH_WAYS * (row.low < 0 < row.high):
                reasons.setdefault(why, []).append(words(row, name(row)))
    return [f"**{why[0].upper()}{why[1:]}:** {listed(results)}." for why, results in reasons.items()]


def namer(rows: pd.DataFrame) -> Callable:
    """What to call the model of a row of claims: `Wanda 50%`, with its name where there are several."""
    several = rows["model"].nunique() > 1
    return lambda row: f"{f'{row.model}, ' * several}{method_label(row.method)} {row.sparsity}".strip()


def block_name(block: tuple, several: bool) -> str:
    """`Wanda 50%`, `GPTQ 4-bit` of (model, method, sparsity, pattern), with the model where there are several."""
    model, method, sparsity, pattern = block
    return f"{f'{model}, ' * several}{method_label(method)} {setting(sparsity, pattern)}".strip()


def _said(lead: Lead, rows: pd.DataFrame, before: str, words: Callable, after: str = "") -> str:
    """`lead`, and the results of a claim, each with its interval and verdict, and in how many languages; of many how
    many came out how.
    """
    known = _known(rows)
    if known.empty:
        notes = dict.fromkeys(row.note or (row.what if row.what == NO_TARGET else "") for row in rows.itertuples())
        return lead.without(listed(filter(None, notes)) or "nothing was measured that decides it")
    after = _languages(known["n"]) + after
    if len(known) > EACH_UP_TO:
        about = f" ({lead.that})" * (NOT_HELD in set(known["verdict"]))
        counts = uncapital(verdict_sentence(known)).removesuffix(".")
        return f"**{lead.of(known['verdict'])}:** {counts}{about}{after}."
    said = lead.of(known["verdict"])
    notes = dict.fromkeys(filter(None, known["note"]))
    if set(known["verdict"]) == {UNDECIDED} and notes:
        said += f" ({listed(notes)})"
    told = _told(known["verdict"])
    results = (words(row) + _bracket(interval(row), told.get(row.verdict, "")) for row in known.itertuples())
    return f"**{said}:** {before} {listed(results)}{after}."


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    """Claims that have a number."""
    return rows[rows["statistic"].map(math.isfinite).astype(bool)]


def _higher(rows: pd.DataFrame, unit: str = HIGHER) -> pd.DataFrame:
    """Claims on percentages of perplexity with words for the sign."""
    return rows.assign(unit=unit, what=[directed(value, unit) for value in rows["statistic"]])


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """Claims on points of a score with words for the sign; what is no number stays as it is."""
    known = rows["statistic"].map(math.isfinite).astype(bool)
    return _higher(rows, POINTS).assign(what=_higher(rows, POINTS)["what"].where(known, rows["what"]))


def _languages(counts: pd.Series) -> str:
    """`, in 7 languages` of how many the results rest on; nothing where that is not known."""
    return f", in {in_caption(counts)} language{'s' * (max(counts) > 1)}" if min(counts) else ""


def brackets(said: Iterable[str]) -> list[str]:
    """What stands in brackets in these sentences, where they have any."""
    return [BRACKETS] if any(" (" in one for one in said) else []


def _told(verdicts: Iterable[str]) -> dict[str, str]:
    """What a result says of its verdict: nothing where all have the same, and where some are undecided that alone,
    since the sentence begins with what the others say.
    """
    found = set(verdicts)
    if {HELD, NOT_HELD} <= found:
        return {verdict: verdict for verdict in found}
    return {UNDECIDED: UNDECIDED} if len(found) > 1 else {}


def _bracket(ends: str, verdict: str) -> str:
    """` (1.20 to 3.00%; held)`, without what is not known or said already."""
    inside = [ends if ends != "–" else "", verdict]
    return f" ({'; '.join(filter(None, inside))})" if any(inside) else ""


def _sizes(row, several: bool) -> str:
    """`8-bit than with Wanda 50%` of a row of the claim about equal memory."""
    pruned, _, quantized = row.sparsity.partition(" against ")
    return f"{f'{row.model}, ' * several}{quantized} than with {method_label(row.method)} {pruned}"


def _why(row) -> str:
    """The verdict on a result, and that one draw is why, where it is."""
    return f"{row.verdict}, drawn once" if row.note == ONE_DRAW else row.verdict


def _english_rounded(rows: pd.DataFrame) -> str:
    """What English in the target language's place changes where weights are rounded; `rows` of `english_costs`."""
    known = _higher(_known(rows))
    if known.empty or len(known) > EACH_UP_TO:
        return ""
    name = namer(known)
    results = listed(f"{row.what} with {name(row)}{_bracket(interval(row), _why(row))}" for row in known.itertuples())
    return (
        f"Where weights are rounded, calibrating in English instead of the target language makes perplexity {results}"
        f"{_languages(known['n'])}."
    )
