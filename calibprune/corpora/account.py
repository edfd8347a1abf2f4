"""One line to the log: how many texts of the user's own were read, how many are kept, and why the others are not."""

import logging

SAME = "the same as another but for case, digits and punctuation"


def left_out(without_text: int, repeated: int = 0) -> str:
    """Why texts are not kept, with numbers; "" where all are."""
    reasons = ((without_text, "without text"), (repeated, SAME))
    return ", ".join(f"{number:,} {why}" for number, why in reasons if number)


def tell(where: str, files: int, read: int, kept: str, without_text: int, repeated: int = 0) -> None:
    """Write the line: as a warning, which Python shows by itself, where texts are left out, else for information.

    Args:
        where: the source.
        kept: how many are kept, in words.
    """
    reasons = left_out(without_text, repeated)
    line = f"{where}: {read:,} texts read" + (f" from {files:,} files" if files > 1 else "") + f", {kept}"
    logging.getLogger("calibprune.corpora").log(
        logging.WARNING if reasons else logging.INFO, "%s", line + (f"; left out: {reasons}" if reasons else "")
    )
