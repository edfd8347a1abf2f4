"""The page's chooser and its plain tables, as HTML: what `book/_static/chooser.js` shows on the page is worked out here
and embedded as JSON, so that nothing is fetched.
"""

import json
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from calibbook.i_have_a_language.commands import command, cost
from calibbook.i_have_a_language.data import CHOICE, Answer, Question, behind, choice_name
from calibbook.shared.frames import languages_of
from calibbook.shared.html import STYLE, Html, folded, text_table
from calibbook.shared.languages import name_label
from calibprune import Study

SHOWN = 8
"""Choices of a ranking that are listed; that of the language itself is listed in any case."""
TITLE = "Choices, the best first"
FIELDS = {
    "model": "Model",
    "language": "Language that the model is for",
    "measure": "What counts",
    "how": "Memory, or method",
}
"""Field of a Question -> the label of its list."""


def chooser(found: list[Answer], study: Study, provenance: pd.DataFrame) -> Html:
    """The form with the answers of `data.answers`. Without scripts it is hidden and points at the tables.

    provenance: of the cells of `data.PARTS`.
    """
    options = _options(found)
    options["language"] = [name_label(code) for code in options["language"]]
    selects = "".join(_select(name, label, options[name]) for name, label in FIELDS.items())
    embedded = json.dumps(payload(found, study, provenance), ensure_ascii=False, separators=(",", ":"))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("rank", "choice", "measured", "than the best"))
    html = (
        f'{STYLE}<div class="study-chooser"><form hidden aria-label="Choose">{selects}</form>'
        '<p class="chooser-said" role="status" aria-live="polite"></p>'
        '<p class="chooser-another" hidden><a href="#a-language-that-is-not-here">What to do, step by step</a></p>'
        '<div class="chooser-result" hidden>'
        f'<div class="study-table-scroll" role="region" tabindex="0" aria-label="{TITLE}"><table class="study-table">'
        f'<caption><span><strong>{TITLE}.</strong> <span class="chooser-note"></span></span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody></tbody></table></div>"
        '<p>The best one, on your machine:</p><div class="highlight"><pre tabindex="0"></pre></div>'
        '<p class="chooser-cost"></p></div>'
        "<noscript><p>The chooser needs scripts; the tables below say the same without.</p></noscript>"
        f'<script type="application/json">{embedded.replace("<", chr(92) + "u003c")}</script></div>'
    )
    plain = [f"{'; '.join(one.question)}: {said(one)}" for one in found]
    return Html(html, "\n".join(plain))


def payload(found: list[Answer], study: Study, provenance: pd.DataFrame) -> dict:
    """What the page's script reads.

    `answers`: places of the four selected options, "0.2.1.0" -> `said`, `note`, and `rows`, each a place in `choices`,
    the value, how much worse it is than the best, and its rank. `choices`: name, command and cost. Everything is text.
    """
    places = [{option: place for place, option in enumerate(options)} for options in _options(found).values()]
    known: dict[tuple, int] = {}
    choices, answers = [], {}
    for one in found:
        model, rows = one.question.model, []
        for place in listed_places(one):
            row = one.ranked.iloc[place]
            key = (model, *row[CHOICE])
            if key not in known:
                known[key] = len(choices)
                choices.append([choice_name(row), command(study.parameters, model, row), cost(provenance, model, row)])
            rows.append([known[key], row["value"], behind(row, one.task) if place else "–", place + 1])
        key = ".".join(str(options[part]) for options, part in zip(places, one.question, strict=True))
        answers[key] = {"said": said(one), "note": note(one), "rows": rows}
    return {"choices": choices, "answers": answers}


def listed_places(answer: Answer) -> list[int]:
    """The places in the ranking that are listed: the first SHOWN, and where the language alone comes later."""
    own = [place for place, text in enumerate(answer.ranked["calibration"]) if text == answer.question.language]
    places = list(range(min(SHOWN, len(answer.ranked))))
    return places + [place for place in own[:1] if place not in places]


def said(answer: Answer) -> str:
    """The answer in two sentences: what is best, and what the second costs."""
    ranked = answer.ranked
    best = f"Best: {choice_name(ranked.iloc[0])}"
    if len(ranked) == 1:
        return f"{best}. Nothing else was measured."
    equal = int((ranked["behind"] == 0).sum()) - 1
    if equal:
        return f"{best}, and {equal} more that {'does' if equal == 1 else 'do'} just as well."
    second = ranked.iloc[1]
    sure = "clearly worse" if answer.told_apart else "not clearly worse"
    sure = sure if np.isfinite(second["low"]) else "how certain that is, is not known"
    return f"{best}. The second, {choice_name(second)}, has {behind(second, answer.task)}: {sure}."


def note(answer: Answer) -> str:
    """What the table of an answer holds."""
    question = answer.question
    held = "score" if answer.task else "perplexity over that of the model as it was"
    before = f" ({answer.before})" if answer.before else ""
    return (
        f"{name_label(question.language)}, {question.measure}, {question.how}: {held}{before} "
        f"and its standard error; {len(answer.ranked)} choices were measured."
    )


def plain_tables(found: list[Answer], study: Study) -> list[Html]:
    """For each model and language a table behind a line that a reader opens: what is best and what is second for every
    measure and every method or budget, and the commands of the best.
    """
    several = len({one.question.model for one in found}) > 1
    shown = []
    for model in dict.fromkeys(one.question.model for one in found):
        for language in languages_of(one.question.language for one in found if one.question.model == model):
            mine = [one for one in found if (one.question.model, one.question.language) == (model, language)]
            name = name_label(language) + f", {model}" * several
            lines = [_command_line(one, study) for one in mine if one.method]
            listed = "\n".join(dict.fromkeys(lines))
            table = text_table(plain_table(mine), name, "What is best and what is second.")
            inside = Html(f"{table.html}<p>The best of each method:</p>{_code(listed)}", f"{table.plain}\n{listed}")
            shown.append(folded(name, inside))
    return shown


def plain_table(mine: list[Answer]) -> pd.DataFrame:
    """One row an answer of one language, as text."""
    lines = []
    for one in mine:
        best, second = one.ranked.iloc[0], one.ranked.iloc[1] if len(one.ranked) > 1 else None
        lines.append(
            {"measure": one.question.measure, "method or memory": one.question.how}
            | {"best": choice_name(best, not one.method), "measured": best["value"]}
            | {"second": "–" if second is None else choice_name(second, not one.method)}
            | {"than the best": "–" if second is None else behind(second, one.task)}
            | {"clearly": "yes" if one.told_apart else "no"}
        )
    return pd.DataFrame(lines)


def _code(text: str) -> str:
    return f'<div class="highlight"><pre tabindex="0">{escape(text)}</pre></div>'


def _command_line(answer: Answer, study: Study) -> str:
    return command(study.parameters, answer.question.model, answer.ranked.iloc[0])


def _options(found: list[Answer]) -> dict[str, list[str]]:
    """Field of a Question -> its values, in the order in which they are offered."""
    return {name: list(dict.fromkeys(getattr(one.question, name) for one in found)) for name in Question._fields}


def _select(name: str, label: str, options: Sequence[str]) -> str:
    listed = "".join(f'<option value="{place}">{escape(option)}</option>' for place, option in enumerate(options))
    listed += '<option value="another">another</option>' if name == "language" else ""
    return f'<label>{label} <select name="{name}" autocomplete="off">{listed}</select></label>'
