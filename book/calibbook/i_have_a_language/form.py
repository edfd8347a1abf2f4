"""The page's chooser and its plain tables, as HTML: what `book/_static/chooser.js` shows on the page is worked out here
and embedded as JSON, so that nothing is fetched.
"""

import json
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import pandas as pd

from calibbook.i_have_a_language.commands import command, cost, quantizing
from calibbook.i_have_a_language.data import BUDGET, CHOICE, Answer, Question, Run, behind, choice_name
from calibbook.i_have_a_language.deciding import comparison, decision, verdict
from calibbook.shared.html import STYLE, Html, folded, text_table
from calibbook.shared.languages import anchor, name_label

SHOWN = 6
"""Choices of a ranking that are listed; that of the language itself, and the one to take, are listed in any case."""
TITLE = "Choices, the best first"
AGAINST = "best other text, against the language itself"
TOLD = (
    "What is best, and which to take: the language itself, unless another text with the same method is clearly better. "
    "In brackets: the interval, corrected for the number of texts compared."
)
FIELDS = {
    "model": "Model",
    "language": "Language that the model is for",
    "measure": "What counts",
    "how": "Memory, or method",
}
"""Field of a Question -> the label of its list."""


def chooser(runs: Sequence[Run]) -> Html:
    """The form with the answers of some runs. Without scripts it is hidden and points at the tables."""
    options = _options(_all(runs))
    first = runs[0].answers[0].question.language if runs[0].answers else ""
    selects = "".join(_select(name, label, options[name], first) for name, label in FIELDS.items())
    embedded = json.dumps(payload(runs), ensure_ascii=False, separators=(",", ":"))
    others = "".join(f'<th scope="col">{name}</th>' for name in ("choice", "measured", "than the best"))
    head = f'<th scope="col" class="names">rank</th>{others}'
    html = (
        f'{STYLE}<div class="study-chooser"><form hidden aria-label="Choose">{selects}</form>'
        '<p class="chooser-said" role="status" aria-live="polite"></p>'
        '<p class="chooser-another" hidden><a href="#a-language-that-is-not-here">What to do, step by step</a></p>'
        '<div class="chooser-result" hidden><p class="chooser-about" hidden></p>'
        f'<div class="study-table-scroll" role="region" tabindex="0" aria-label="{TITLE}"><table class="study-table">'
        f'<caption><span><strong>{TITLE}.</strong> <span class="chooser-note"></span></span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody></tbody></table></div>"
        '<p>The one to take, on your machine:</p><div class="highlight"><pre tabindex="0"></pre></div>'
        '<p class="chooser-cost"></p></div>'
        "<noscript><p>The chooser needs scripts; the tables below have the best and the one to take.</p>"
        "</noscript>"
        f'<script type="application/json">{embedded.replace("<", chr(92) + "u003c")}</script></div>'
    )
    plain = [f"{'; '.join(one.question)}: {said(one)}" for one in _all(runs)]
    return Html(html, "\n".join(plain))


def payload(runs: Sequence[Run]) -> dict:
    """What the page's script reads.

    `answers`: places of the four selected options, "0.2.1.0" -> `said`, `note`, a place in `notes`, `run`, the place of
    its run, `rows`, each a place in `choices`, the value, how much worse it is than the best, and its rank, and `take`,
    the place in `choices` of the one to take. `choices`: name, command and cost. `notes`: what tables hold, each once.
    `about`: of each run, what a reader must know of it. Everything is text.
    """
    places = [{option: place for place, option in enumerate(options)} for options in _options(_all(runs)).values()]
    known: dict[tuple, int] = {}
    choices, answers, notes = [], {}, {}
    for number, run in enumerate(runs):
        for one in run.answers:
            model, rows = one.question.model, []
            for place in listed_places(one):
                row = one.ranked.iloc[place]
                key = (number, model, *row[CHOICE])
                if key not in known:
                    known[key] = len(choices)
                    either = quantizing(run, model, row["calibration"])
                    line = command(run.parameters, model, row)
                    how = f"{either}# to prune, as measured\n{line}" if either else line
                    choices.append([choice_name(row), how, cost(run.provenance, model, row)])
                rows.append([known[key], row["value"], behind(row, one.task) if place else "–", place + 1])
            key = ".".join(str(options[part]) for options, part in zip(places, one.question, strict=True))
            take = known[number, model, *one.ranked.iloc[one.taken][CHOICE]]
            held = notes.setdefault(note(one), len(notes))
            answers[key] = {"said": said(one), "note": held, "run": number, "rows": rows, "take": take}
    return {"choices": choices, "answers": answers, "notes": list(notes), "about": [run.about for run in runs]}


def listed_places(answer: Answer) -> list[int]:
    """The places in the ranking that are listed: the first SHOWN, where the language alone comes later, and the one to
    take.
    """
    own = [place for place, text in enumerate(answer.ranked["calibration"]) if text == answer.question.language]
    return sorted({*range(min(SHOWN, len(answer.ranked))), *own[:1], answer.taken})


def said(answer: Answer) -> str:
    """The answer in two to four sentences: what is best, what to take and why, and how the best does elsewhere. Where
    nothing is compared with the language itself, what the second costs.
    """
    ranked = answer.ranked
    best = f"Best: {choice_name(ranked.iloc[0])}"
    if len(ranked) == 1:
        return f"{best}. Nothing else was measured."
    equal = int((ranked["behind"] == 0).sum()) - 1
    if equal:
        best += f", and {equal} more that {'does' if equal == 1 else 'do'} just as well"
    why = decision(answer)
    if not (why or equal):
        why = f"The second, {choice_name(ranked.iloc[1])}, has {behind(ranked.iloc[1], answer.task)}."
    return " ".join(filter(None, [f"{best}.", why, answer.elsewhere]))


def note(answer: Answer) -> str:
    """What the table of an answer holds, to be said after its question."""
    held = "score" if answer.task else "perplexity over that of the model as it was"
    before = f" ({answer.before})" if answer.before else ""
    error = " and its standard error" if answer.ranked["value"].str.contains("±").any() else ""
    intervals = ", and the interval of each is for itself" if np.isfinite(answer.ranked["low"]).any() else ""
    return f"{held}{before}{error}; {len(answer.ranked)} choices were measured{intervals}."


def plain_tables(runs: Sequence[Run]) -> list[Html]:
    """For each model and language a table behind a line that a reader opens: what is best for every measure and every
    method or budget, whether another text is clearly better than the language itself, which to take, and the commands
    of those. A link to a language leads to its first table, unless the chooser can answer it.
    """
    several = len({one.question.model for one in _all(runs)}) > 1
    parts: dict[tuple[str, str], tuple[Run, list[Answer]]] = {}
    for run in runs:
        for one in run.answers:
            parts.setdefault(one.question[:2], (run, []))[1].append(one)
    shown, linked = [], set()
    for model in dict.fromkeys(model for model, _ in parts):
        for code in by_name(language for own, language in parts if own == model):
            run, mine = parts[model, code]
            name = name_label(code) + f", {model}" * several
            listed = _commands(run, model, mine)
            told = f"{TOLD} {run.about}".rstrip()
            table = text_table(plain_table(mine), name, told)
            shown_once = table.html.removeprefix(STYLE)  # the chooser, on the same page, has it
            commands = f"<p>The one to take, by method and measure:</p>{_code(listed)}"
            inside = Html(f"{shown_once}{commands}", f"{table.plain}\n{listed}")
            known = code in linked
            linked.add(code)
            shown.append(folded(name, inside, "" if known else anchor(code)))
    return shown


def _commands(run: Run, model: str, mine: list[Answer]) -> str:
    """The command of every choice to take of a method, below a comment that says what it is for."""
    wanted: dict[str, list[str]] = {}
    either: dict[str, None] = {}
    for one in mine:
        if one.method:
            taken = one.ranked.iloc[one.taken]
            wanted.setdefault(command(run.parameters, model, taken), []).append(one.question.measure)
            either.setdefault(quantizing(run, model, taken["calibration"]))
    return "".join(either) + "\n".join(f"# {'; '.join(measures)}\n{line}" for line, measures in wanted.items())


def by_name(codes: Iterable[str]) -> list[str]:
    """Languages in the order of their names, each once."""
    return sorted(dict.fromkeys(codes), key=name_label)


def plain_table(mine: list[Answer]) -> pd.DataFrame:
    """One row an answer of one language, as text."""
    lines = []
    for one in mine:
        best = one.ranked.iloc[0]
        lines.append(
            {"measure": one.question.measure, "method or memory": one.question.how}
            | {"best": choice_name(best, not one.method), "measured": best["value"]}
            | {AGAINST: comparison(one), "clearly better": verdict(one)}
            | {"take": choice_name(one.ranked.iloc[one.taken], not one.method)}
        )
    return pd.DataFrame(lines)


def _code(text: str) -> str:
    return f'<div class="highlight"><pre tabindex="0">{escape(text)}</pre></div>'


def _all(runs: Sequence[Run]) -> list[Answer]:
    return [one for run in runs for one in run.answers]


def _options(found: list[Answer]) -> dict[str, list[str]]:
    """Field of a Question -> its values, in the order in which they are offered: languages by name, budgets of memory
    before single methods.
    """
    options = {name: list(dict.fromkeys(getattr(one.question, name) for one in found)) for name in Question._fields}
    how = sorted(options["how"], key=lambda words: not words.startswith(BUDGET))
    return options | {"language": by_name(options["language"]), "how": how}


def _select(name: str, label: str, options: Sequence[str], first: str) -> str:
    """A list; a language is offered by its name, and chosen by a link to its anchor. The page opens with
    `first`, which its own study measured.
    """
    if name == "language":
        listed = "".join(
            f'<option value="{place}" data-anchor="{escape(anchor(code))}"{" selected" * (code == first)}>'
            f"{escape(name_label(code))}</option>"
            for place, code in enumerate(options)
        )
        listed += '<option value="another">another</option>'
    else:
        listed = "".join(f'<option value="{place}">{escape(option)}</option>' for place, option in enumerate(options))
    return f'<label>{label} <select name="{name}" autocomplete="off">{listed}</select></label>'
