"""Where the program `calibprune` starts; its commands are in commands.py."""

import io
import logging
import sys

from calibprune.errors import INTERRUPTED, CalibpruneError, ended_in_one_line

AFTER_AN_INTERRUPT = {
    "study": "the same command goes on where it was",
    "prune": "no checkpoint was written, and the same command starts over, or goes on where it streams the model",
    "quantize": "no checkpoint was written, and the same command starts over, or goes on where it streams the model",
    "fetch": "what was complete is kept, and the same command does the rest",
}
"""What is true once a command was interrupted. One that is not here keeps nothing."""


def main() -> None:
    """Run the command line; what a user can cause ends with one line on standard error and status 1 (2 for a wrong
    option).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show ends no command
    arguments = sys.argv[1:] or ["--help"]
    with ended_in_one_line("calibprune", AFTER_AN_INTERRUPT.get(arguments[0], "the same command starts over")):
        try:
            status = _run(arguments)
        except ModuleNotFoundError as missing:
            package = str(missing.name).partition(".")[0]
            if package == "calibprune":
                raise
            raise CalibpruneError(
                f"the package {package} is not installed: run pip install 'calibprune[study]'"
            ) from None
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)


def _run(arguments: list[str]) -> int:
    """The status with which the command ends."""
    import typer.exceptions

    from calibprune.commands import app

    logging.basicConfig(format="%(message)s")
    logging.getLogger("calibprune").setLevel(logging.INFO)  # what was read of the user's own text
    try:
        return app(args=arguments, standalone_mode=False) or 0
    except typer.exceptions.TyperException as error:
        print(f"calibprune: {error.format_message().rstrip('.')}; see calibprune --help", file=sys.stderr)
        return error.exit_code
