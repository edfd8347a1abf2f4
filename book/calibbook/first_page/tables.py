"""The one table of the first page: what each choice of calibration costs, by method, and what the numbers rest on."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from calibbook.first_page.choices import CHOICES, EVERY, asked, clear_best, label, largest
from calibbook.first_page.findings import Findings
from calibbook.first_page.relatives import ENGLISH, NEAREST, TARGET, Relatives
from calibbook.first_page.sentences import LEVEL, block_name
from calibbook.shared.frames import BLOCK, is_mixture, is_quantized
from calibbook.shared.html import Cell, Html, Mark, heat_table, links, remark
from calibbook.shared.languages import SPELLED_OUT, anchor, name_label, text_label
from calibbook.shared.words import fixed, in_caption, listed

BEST = Mark(
    "✓",
    f"better than every other choice of this column by the {LEVEL} of their ratio, where none is a text that was "
    "drawn once for all languages",
    best=True,
)
TITLE = "Perplexity, times that of the dense model"
OTHER_RECORDS = "†"


def answer_table(found: Findings, relatives: Relatives | None = None) -> Html:
    """Choices down, methods and settings across: the geometric mean over the target languages, and below it their
    range; in the last row, which is marked as of other records, the nearest relative, from the atlas. What the numbers
    rest on stands below the table.
    """
    rows, several = found.rows, found.rows["model"].nunique() > 1
    columns, cells = {}, {}
    for block, mine in rows.groupby(BLOCK, sort=False):
        name = block_name(block, several=False)
        columns[block] = (block[0], name) if several else (name,)
        best = clear_best(mine)
        for choice, ratios in ratios_of(mine).items():
            few, of = len(ratios), rows["language"].nunique()
            below = f"{fixed(ratios.min(), 0, 2)} to {fixed(ratios.max(), 0, 2)}" if few > 1 else ""
            part = f"{few} of {of} languages" if few < of else ""
            mark = BEST if choice == best else None
            shown = fixed(float(np.exp(np.log(ratios).mean())), 0, 2)
            cells[choice, block] = Cell(shown, mark=mark, below="; ".join(filter(None, [below, part])))
    present = set(rows["choice"])
    names = {choice: (label(choice, found.texts),) for choice in CHOICES if choice in present}
    below = [_english_left_out(rows), f"Measured: {basis(found)}"]
    if of_atlas := _of_atlas(relatives, columns):
        of = f"{relatives.rows['language'].nunique()} languages of the atlas"
        names[NEAREST] = (f"{OTHER_RECORDS} {NEAREST}",)
        cells |= {(NEAREST, block): _cell(np.exp(mine[NEAREST])) for block, mine in of_atlas.items()}
        below.append(_within_the_atlas(relatives, of_atlas, of))
    marked = any(cell.mark for cell in cells.values())
    table = heat_table(names, columns, cells, ["Calibrated in"], TITLE, _what_it_shows(rows, marked))
    basis_of = remark(" ".join(filter(None, below)))
    return Html(table.html + basis_of.html, f"{table.plain}\n{basis_of.plain}")


def languages_line(study, relatives: Relatives | None) -> Html:
    """Links to the answer for every language: those that the study measures, and those of the atlas."""
    codes = {*study.parameters.evaluation_languages, *(relatives.languages if relatives else [])}
    addresses = {name_label(code): f"i_have_a_language.html#{anchor(code)}" for code in sorted(codes, key=name_label)}
    return links("Choose your language:", addresses)


def _of_atlas(relatives: Relatives | None, columns: Collection[tuple]) -> dict[tuple, pd.DataFrame]:
    """Model, method and setting of a column -> rows of the atlas, where it has them."""
    if relatives is None:
        return {}
    return {block: rows for block, rows in relatives.rows.groupby(BLOCK, sort=False) if block in columns}


def _cell(ratios: pd.Series) -> Cell:
    return Cell(
        fixed(float(np.exp(np.log(ratios).mean())), 0, 2),
        below=f"{fixed(ratios.min(), 0, 2)} to {fixed(ratios.max(), 0, 2)}",
    )


def _within_the_atlas(relatives: Relatives, of_atlas: dict[tuple, pd.DataFrame], of: str) -> str:
    """What the last row rests on, and what it may be compared with."""
    several = relatives.rows["model"].nunique() > 1
    there = [
        f"{listed(f'{fixed(float(np.exp(rows[choice].mean())), 0, 2)} with {choice}' for choice in (TARGET, ENGLISH))} "
        f"({block_name(block, several)})"
        for block, rows in of_atlas.items()
    ]
    return (
        f"{OTHER_RECORDS}: from other records, so not to be compared with the rows above. "
        f"{NEAREST[0].upper()}{NEAREST[1:]} by branch, script and family, in {of}; {in_caption(relatives.tokens)} "
        f"tokens of calibration text a model, perplexity on “{relatives.source}”, on {in_caption(relatives.n)} tokens "
        f"a language. Numbers of the atlas that it may be compared with: {'; '.join(there)}."
    )


def ratios_of(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Choice -> perplexity over the dense model's, by language; of one model, method and setting."""
    by_language = rows.assign(ratio=np.exp(rows["log_ratio"])).set_index("language")
    return {choice: part for choice, part in by_language.groupby("choice", sort=False)["ratio"]}


def basis(found: Findings) -> str:
    """What the numbers of the page rest on: models, draws, tokens and questions."""
    rows = found.rows
    calibrated = rows[rows["calibration"] != ""]
    parts = [listed(dict.fromkeys(rows["model"]))]
    if len(calibrated):
        parts.append(_draws(calibrated))
        parts.append(f"{in_caption(found.tokens)} tokens of it a model")
    parts.append(f"perplexity on “{found.source}”, on {in_caption(rows['n'])} tokens a language")
    items = [*found.items, *found.written_items]
    parts.append(_counted(items, "question", "questions") + " a task" if items else "no tasks")
    if EVERY in set(rows["choice"]):
        parts.append(f"{label(EVERY, found.texts)}: {text_label(largest(found.texts))}")
    return f"{'; '.join(parts)}."


def _draws(rows: pd.DataFrame) -> str:
    """How many draws of calibration text there are, and for what where these differ."""
    mixed, rounds = rows["calibration"].map(is_mixture).astype(bool), rows["pattern"].map(is_quantized).astype(bool)
    kinds = {"pruning in one language": ~mixed & ~rounds, "quantizing in one language": ~mixed & rounds}
    names: dict[str, list[str]] = {}
    for name, mine in (kinds | {"mixtures": mixed}).items():
        if mine.any():
            names.setdefault(in_caption(rows.loc[mine, "draws"]), []).append(name)
    if len(names) == 1:
        return _counted(rows["draws"], "draw of calibration text", "draws of calibration text")
    counts = [f"{count} for {' and for '.join(kinds)}" for count, kinds in names.items()]
    return f"draws of calibration text: {', '.join(counts)}"


def _counted(values, one: str, more: str) -> str:
    return f"{in_caption(values)} {one if max(values) == 1 else more}"


def _english_left_out(rows: pd.DataFrame) -> str:
    if "en" in asked(rows["language"]):
        return ""
    return "English is left out, so that a ratio of two of these numbers is not one over all languages."


def _what_it_shows(rows: pd.DataFrame, marked: bool) -> str:
    """How a number is to be read; `marked`: whether some choice is marked as the best."""
    codes = asked(rows["language"])
    whom = listed(map(name_label, codes)) if len(codes) <= SPELLED_OUT else f"{len(codes)} languages"
    over = f"Geometric mean over target languages and their range: {whom}." if len(codes) > 1 else f"In {whom}."
    return f"{over} Lower is better.{f' {BEST.sign}: {BEST.meaning}.' * marked}"
