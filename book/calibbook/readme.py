"""`python -m calibbook.readme`: the answer in README.md and its picture, written from the published run's records."""

import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from calibbook.checkout import ROOT
from calibbook.first_page.figures import answer_picture
from calibbook.first_page.findings import findings
from calibbook.first_page.relatives import relatives
from calibbook.first_page.sentences import brackets, five, without_text
from calibbook.first_page.tables import basis
from calibbook.published import study_shown
from calibbook.s04_2_downstream_tasks.data import item_scores, reported
from calibbook.shared.figure import Picture
from calibprune.errors import ParameterError, ended_in_one_line

PICTURE = "book/answer.png"
BEGIN, END = "<!-- python -m calibbook.readme writes the lines from here -->\n", "<!-- to here -->\n"


class Answer(NamedTuple):
    """What README.md says between `BEGIN` and `END`, and the picture that it shows."""

    text: str
    picture: Picture


def answer() -> Answer:
    """The sentences and the picture of the book's first page, from the published records.

    Raises:
        StoreError: a record is not there; it is not computed here.
    """
    study = study_shown()
    frame = study.run("languages", "mixtures", "quantization", progress=False)
    tasks = reported(study) | reported(study, generated=True)
    found = findings(frame, item_scores(study, tasks, "languages"), study.parameters.group_size)
    picture = answer_picture(found)
    said = list(filter(None, [*five(found), without_text(relatives(study, found.source))]))
    rests = " ".join([*brackets(said), f"These are numbers of {basis(found)}"])
    return Answer(
        "\n".join([*(f"- {one}" for one in said), "", rests, "", f"![{picture.alt}]({PICTURE})", ""]), picture
    )


def replaced(readme: str, text: str) -> str:
    """README.md with this text between `BEGIN` and `END`.

    Raises:
        ParameterError: it has not both of them.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ParameterError(f"README.md: has no lines {BEGIN.strip()!r} and {END.strip()!r}; put them back")
    return f"{before}{begin}{text}{end}{after}"


def write(root: Path = ROOT) -> None:
    """Write both; the picture carries its words, so that a test can tell whether it is the one that README.md shows."""
    text, picture = answer()
    readme = root / "README.md"
    readme.write_text(replaced(readme.read_text(encoding="utf-8"), text), encoding="utf-8")
    words = {"Description": picture.alt, "Software": None}
    picture.figure.savefig(root / PICTURE, dpi=120, facecolor="white", metadata=words)


def words_of(picture: Path) -> str:
    """The words that `write` put into a picture."""
    with Image.open(picture) as image:
        return image.text["Description"]


if __name__ == "__main__":
    with ended_in_one_line("calibbook.readme"):
        write()
        print(ROOT / "README.md", file=sys.stderr)
