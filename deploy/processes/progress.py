"""Shows a progress line for every long step: bytes done, total bytes, and time."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

CONSOLE = Console(stderr=True)
"""The console for people, on standard error; standard output is for other programs."""


class Step:
    """One long step, counted in bytes."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        """Add this many bytes to those done."""
        self._progress.advance(self._task, count)

    def at(self, count: int) -> None:
        """Set the number of bytes done."""
        self._progress.update(self._task, completed=count)

    def drop(self) -> None:
        """Hide the step's line: the step was given up."""
        self._progress.update(self._task, visible=False)


@contextmanager
def step(description: str, total: int | None) -> Generator[Step]:
    """Show a step of `total` bytes; None for an unknown number."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=CONSOLE, refresh_per_second=4) as progress:
        yield Step(progress, progress.add_task(description, total=total))
