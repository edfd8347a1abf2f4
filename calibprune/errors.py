"""Every failure a user can cause is one of these classes, and its text is one line: what, where, what to do."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
"""The exit status of a program that was interrupted, by convention of the shell."""
LONGEST = 1000
"""Characters of an error's text; a longer one is cut in its middle, since it ends with what to do."""
LONGEST_VALUE = 80
"""Characters of a value in it."""


class CalibpruneError(Exception):
    """Base class; the command line prints the text of one and exits with status 1, without a traceback."""

    def __init__(self, text: str) -> None:
        text = text.replace("\n", r"\n").replace("\r", r"\r")  # of names of files, which may have any
        half = LONGEST // 2
        super().__init__(text if len(text) <= LONGEST else f"{text[: half - 3]} … {text[-half:]}")


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


def quoted(value: Any) -> str:
    """A value as an error shows it: as Python writes it, its middle left out where that is long, since a path begins
    with its folder and ends with its name.
    """
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    text = " ".join(text.split())  # tables and tensors are written in several lines
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE // 2]}…{text[-LONGEST_VALUE // 2 + 1 :]}"


def one_of(what: str, value, allowed) -> str:
    """The line for an unknown name: what it is, which value was given, and which are known."""
    return f"unknown {what} {quoted(value)}: choose one of {', '.join(map(str, allowed))}"


NO_MEMORY = ("can't allocate memory", os.strerror(errno.ENOMEM))
"""How torch says that memory is used up, and the system, where it cannot start a process or map a file."""
AT_ONCE = 1.0
"""Seconds within which a second Ctrl-C, or the one that a parent process passes on, is the same as the first."""


@contextmanager
def ended_in_one_line(program: str, interrupted: str = "the same command starts over") -> Iterator[None]:
    """End a program whose block fails in a way that a user can cause: one line on standard error and status 1, or 130
    where it was interrupted.

    Args:
        interrupted: what is true of the program's work once it was interrupted, and what to do.
    """
    status = 1
    with _interrupted_once():
        try:
            yield
            return
        except CalibpruneError as error:
            line = str(error)
        except (MemoryError, RuntimeError, OSError) as error:
            if out_of_memory(error):
                line = (
                    "there is not enough memory; take fewer or shorter windows or a smaller model, or let prune and "
                    "quantize read the model layer by layer (--stream)"
                )
            elif isinstance(error, OSError):
                where, reason = error.filename or "a file", error.strerror or error
                line = str(CalibpruneError(f"{where}: {reason}; check the path, its rights and the space left"))
            else:
                raise
        except KeyboardInterrupt:
            if _interrupts_here():
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program ends, and cannot be interrupted in that
            line, status = f"interrupted; {interrupted}", INTERRUPTED
        print(f"{program}: {line}", file=sys.stderr)
        sys.exit(status)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up; torch has a class for that on a GPU alone."""
    # by name, since torch takes seconds to import
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or any(words in str(error) for words in NO_MEMORY)


def _interrupts_here() -> bool:
    """Whether this thread may say what an interrupt does."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let interrupts that come at once count as one, so that a second one does not stop what the first one began:
    leaving no half-written file behind, and saying one line.
    """
    if not _interrupts_here() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    last = -AT_ONCE

    def interrupt(*_) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before >= AT_ONCE:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
