"""Attempts of calls that are to fail, kept in a file, since the workers in which they fail are killed."""

import os
import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Self

VARIABLE = "BREAKS_OF_CALLS"
"""The environment variable that names the file to a worker."""

ALWAYS = 1_000_000
"""A number of attempts that stands for: until it is mended."""


class When(StrEnum):
    """The moment at which an attempt fails."""

    BEFORE = "before"
    """Before the call: the tool is not called."""
    AFTER = "after"
    """After the call: the tool was called, and its outcome is lost."""


class LastingBreaks:
    """The number of next attempts that fail, by tool and by text in the call's arguments."""

    def __init__(self, file: Path) -> None:
        """Use this file, and create it where there is none."""
        self.file = file
        with closing(self._opened()) as database:
            database.execute(
                "create table if not exists breaks (place text, tool text, words text, attempts integer, "
                "primary key (place, tool, words))"
            )

    @classmethod
    def of_environment(cls) -> Self:
        """Return the breaks that a worker was started with."""
        return cls(Path(os.environ[VARIABLE]))

    def put(self, when: When, tool: str, text: str, attempts: int) -> None:
        """Let so many of the next attempts fail; 0 mends them."""
        with closing(self._opened()) as database:
            database.execute("insert or replace into breaks values (?, ?, ?, ?)", (when, tool, text, attempts))

    def due(self, when: When, tool: str, arguments: str) -> bool:
        """Return whether this attempt fails, and count it."""
        with closing(self._opened()) as database:
            updated = database.execute(
                "update breaks set attempts = attempts - 1 "
                "where place = ? and tool = ? and instr(?, words) and attempts > 0",
                (when, tool, arguments),
            )
            return updated.rowcount > 0

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=20, isolation_level=None)
