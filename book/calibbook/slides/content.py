"""What the slides say. Every number is computed from the study's records, or counted in the laboratory's notebooks."""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from calibbook.checkout import ROOT
from calibbook.first_page.choices import CHOICES, label
from calibbook.first_page.figures import answer_picture
from calibbook.first_page.findings import Findings
from calibbook.first_page.sentences import LEVEL, brackets, five
from calibbook.first_page.tables import answer_table, basis
from calibbook.ledger.data import BEYOND, Entry
from calibbook.ledger.summary import section_table
from calibbook.shared.verdicts import UNDECIDED
from calibbook.slides.deck import Slide, bullets, image, paragraphs
from calibbook.slides.pictures import method_picture

QUESTION = "If I compress a multilingual language model, in which language should I calibrate, and what do I lose?"
LABORATORY = ROOT / "notebooks" / "teaching"
AT_MOST = 6
"""Claims that one slide lists."""


def slides(found: Findings, entries: Sequence[Entry]) -> list[Slide]:
    """The deck of a study, from what its first page and its ledger rest on."""
    sentences = five(found)
    return [
        Slide(
            "In which language should I calibrate?", f"<blockquote>{escape(QUESTION)}</blockquote>" + _rests_on(found)
        ),
        Slide("Vote first", _vote(found)),
        Slide("The method in one picture", image(method_picture())),
        Slide("How a claim is decided", bullets(RULES)),
        *_answer(found),
        Slide("What we found: perplexity", bullets(sentences[:3]) + paragraphs(brackets(sentences[:3]))),
        Slide("What we found: memory and tasks", bullets(sentences[3:]) + paragraphs(brackets(sentences[3:]))),
        Slide("Every claim, section by section", section_table(entries)._repr_html_()),
        Slide("What is undecided", _undecided(entries)),
        Slide("Exercises", _exercises(LABORATORY)),
        Slide("What to take home", bullets(HOME)),
    ]


RULES = (
    "Claims, their tests and the families that are corrected together were written down before the published run.",
    f"Held or not held: the {LEVEL}, or the corrected p value, leaves one answer.",
    "Undecided: it leaves both. That is no evidence that there is no difference.",
    "p values of one family are corrected by Holm's procedure.",
    "One draw of calibration text decides nothing where all languages share it.",
)
HOME = (
    "A pruned model has a home: the text that it was calibrated on.",
    "Compare down a column, never along a row: perplexities of two languages are not comparable.",
    "Look for the draw before you look for the language.",
    "A method's paper and its code are two things. The book lists where they differ.",
    "Zeros are stored like other numbers: what is measured is what pruning costs, not what it saves.",
)


def _rests_on(found: Findings) -> str:
    return paragraphs([basis(found)] if len(found.rows) else ["These records hold no perplexity of compressed models."])


def _vote(found: Findings) -> str:
    present = set(found.rows["choice"])
    offered = [label(choice, found.texts) for choice in CHOICES if choice in present]
    asked = "You prune a model for one language that is not English. Calibrate in:"
    return paragraphs([asked]) + bullets(offered or ["English", "that language", "both"])


def _answer(found: Findings) -> list[Slide]:
    if not len(found.rows):
        return [
            Slide("The answer", paragraphs(["Nothing to show: it needs perplexities, before and after compression."]))
        ]
    return [
        Slide("The answer", answer_table(found)._repr_html_()),
        Slide("The same, with a small mark for each language", image(answer_picture(found))),
    ]


def _undecided(entries: Sequence[Entry]) -> str:
    tested = [entry for entry in entries if entry.claim.section != BEYOND and len(entry.tests)]
    open_still = [entry for entry in tested if set(entry.counts) == {UNDECIDED}]
    if not tested:
        return paragraphs(["These records test none of the paper's claims."])
    said = f"Claims of the paper that these records test: {len(tested)}; undecided in every test: {len(open_still)}."
    listed = [f"{entry.claim.section}: {entry.claim.claim}" for entry in open_still[:AT_MOST]]
    more = len(open_still) - len(listed)
    return paragraphs([said]) + bullets([*listed, *([f"and {more} more, in the ledger of claims"] if more else [])])


def _exercises(folder: Path) -> str:
    """The laboratory's notebooks, with the titles of their exercises."""
    points = []
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)[1]
        named = re.findall(r"^### Exercise (.+)$", text, re.MULTILINE)
        points.append(f"{title} ({'; '.join(named)})")
    return paragraphs(
        ["Each is checked by code that says what is wrong with an answer without giving it away."]
    ) + bullets(points)
