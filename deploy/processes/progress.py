"""A visible line for every long step: bytes done, of how many, for how long."""

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
"""Where people look; standard output is for what other programs read."""


class Step:
    """One long step, counted in bytes."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        """So many more bytes are done."""
        self._progress.advance(self._task, count)

    def at(self, count: int) -> None:
        """So many bytes are done."""
        self._progress.update(self._task, completed=count)

    def drop(self) -> None:
        """The step came to nothing: its line goes."""
        self._progress.update(self._task, visible=False)


@contextmanager
def step(description: str, total: int | None) -> Generator[Step]:
    """Show a step of `total` bytes, or of an unknown number."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=CONSOLE, refresh_per_second=4) as progress:
        yield Step(progress, progress.add_task(description, total=total))
