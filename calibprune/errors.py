"""Every failure a user can cause is one of these classes, and its text is one line: what, where, what to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""The exit status of a program that was interrupted, by convention of the shell."""


class CalibpruneError(Exception):
    """Base class; the command line prints the text of one and exits with status 1, without a traceback."""


class ParameterError(CalibpruneError):
    """A study parameter, a method option or a name outside what is allowed."""


class ModelError(CalibpruneError):
    """A model that cannot be found, read, verified or pruned."""


class CorpusError(CalibpruneError):
    """Text that cannot be found, read, or does not suffice for the windows asked for."""


class StoreError(CalibpruneError):
    """Records or artifacts that cannot be written or read."""


class NotebookError(CalibpruneError):
    """A notebook that failed, timed out or was not executed to its last cell."""


def one_of(what: str, value, allowed) -> str:
    """The line for an unknown name: what it is, which value was given, and which are known."""
    return f"unknown {what} {value!r}: choose one of {', '.join(map(str, allowed))}"


@contextmanager
def ended_in_one_line(program: str, interrupted: str = "the same command starts over") -> Iterator[None]:
    """End a program whose block fails in a way that a user can cause: one line on standard error and status 1, or 130
    where it was interrupted.

    Args:
        interrupted: what is true of the program's work once it was interrupted, and what to do.
    """
    status = 1
    try:
        yield
        return
    except CalibpruneError as error:
        line = str(error)
    except OSError as error:
        line = f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its rights and the space left"
    except KeyboardInterrupt:
        line, status = f"interrupted; {interrupted}", INTERRUPTED
    print(f"{program}: {line}", file=sys.stderr)
    sys.exit(status)
