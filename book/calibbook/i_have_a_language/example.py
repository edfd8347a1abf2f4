"""The worked example: a language that the package's table does not have, with text of one's own."""

import shlex
from typing import NamedTuple

from calibbook.i_have_a_language.commands import PROGRAM
from calibbook.shared.languages import name_label
from calibprune.advice.asking import Text

LANGUAGE, BESIDE = "yo", "en"
FILES = "file:texts/{language}.txt"


class Step(NamedTuple):
    """What to do, in a sentence, and the command that does it, if one does."""

    sentence: str
    command: str = ""


def steps(model: str, group_size: int) -> list[Step]:
    """What to do, in order, to quantize or prune a model for LANGUAGE; `group_size` inputs share a scale."""
    draw = Text()
    needed, held_out = draw.samples * draw.length, draw.target_samples * draw.length
    source = ["--source", FILES]
    candidates = f"{LANGUAGE},{BESIDE},{LANGUAGE}+{BESIDE}"
    rounding = ["--bits", "8", "--group-size", str(group_size)]
    compressing = ["--calibration", LANGUAGE, *source]
    return [
        Step(
            f"Put text of {name_label(LANGUAGE)} into `texts/{LANGUAGE}.txt`, in UTF-8 and with an empty line between "
            "two texts, and into a file beside it text of each other language that might do instead, here "
            f"`texts/{BESIDE}.txt`. Every fifth text is kept for measuring. The commands below draw {needed:,} tokens "
            f"of each language to calibrate in and {held_out:,} of the target's own to measure on; `--samples` and "
            "`--length` ask for less."
        ),
        Step(
            "Ask what to calibrate in. Nothing is pruned for the answer: it is predicted from the layers' errors.",
            _line(["advise", model, "--target", LANGUAGE, "--candidates", candidates, *source]),
        ),
        Step(
            f"Quantize with what came first, which need not be `{LANGUAGE}`:",
            _line(["quantize", model, "--output", f"quantized-{LANGUAGE}", *rounding, *compressing]),
        ),
        Step("Or prune:", _line(["prune", model, "--output", f"pruned-{LANGUAGE}", *compressing])),
    ]


def worked(model: str, group_size: int) -> str:
    """The steps as a numbered list, in Markdown."""
    lines = []
    for place, step in enumerate(steps(model, group_size), 1):
        lines.append(f"{place}. {step.sentence}")
        if step.command:
            lines.append(f"   ```bash\n   {step.command}\n   ```")
    return "\n\n".join(lines)


def _line(words: list[str]) -> str:
    return shlex.join([PROGRAM, *words])
