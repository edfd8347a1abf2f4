"""How far a study is, and the time left: a live bar on a terminal, a line a cell in a log."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class StudyProgress:
    """Counts work done (in any unit) over all that is to be computed."""

    def __init__(self, work: float, show: bool = True) -> None:
        self._work = max(work, 1)
        self._done = 0.0
        self._started = 0.0
        # names of models and texts are shown as they are, also where they look like rich's own markup
        self._console = Console(stderr=True, quiet=not show, markup=False, emoji=False, highlight=False)
        self._live = self._console.is_terminal and show
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, disable=not self._live)
        self._task = self._bar.add_task("", total=self._work)

    def __enter__(self) -> "StudyProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, title: str) -> None:
        """Say what is computed next. The clock starts with the first call."""
        self._started = self._started or time.monotonic()
        self._bar.update(self._task, description=title)
        if not self._live:
            self._console.print(f"{title} … {self._left()}", soft_wrap=True)

    def step(self, work: float = 1) -> None:
        self._done += work
        self._bar.advance(self._task, work)

    def _left(self) -> str:
        if not self._done:
            return ""
        seconds = (time.monotonic() - self._started) / self._done * (self._work - self._done)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
