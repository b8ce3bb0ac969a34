"""Attempts of calls that are to break, kept in a file: the workers that they break in are processes that are killed."""

import os
import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Self

VARIABLE = "BREAKS_OF_CALLS"
"""Of a worker's environment: the file."""

ALWAYS = 1_000_000
"""Attempts: until it is mended."""


class When(StrEnum):
    """Where an attempt breaks."""

    BEFORE = "before"
    """The tool is not called."""
    AFTER = "after"
    """The tool was called, and nobody is told what it did."""


class LastingBreaks:
    """How many of the next attempts of calls break, named by the tool and words that are in the call's arguments."""

    def __init__(self, file: Path) -> None:
        """Those of this file, which is made where there is none."""
        self.file = file
        with closing(self._opened()) as database:
            database.execute(
                "create table if not exists breaks (place text, tool text, words text, attempts integer, "
                "primary key (place, tool, words))"
            )

    @classmethod
    def of_environment(cls) -> Self:
        """Those that a worker was started with."""
        return cls(Path(os.environ[VARIABLE]))

    def put(self, when: When, tool: str, words: str, attempts: int) -> None:
        """Let so many of the next attempts break; 0 mends them."""
        with closing(self._opened()) as database:
            database.execute("insert or replace into breaks values (?, ?, ?, ?)", (when, tool, words, attempts))

    def due(self, when: When, tool: str, arguments: str) -> bool:
        """Whether this attempt breaks; it is counted."""
        with closing(self._opened()) as database:
            found = database.execute(
                "update breaks set attempts = attempts - 1 "
                "where place = ? and tool = ? and instr(?, words) and attempts > 0",
                (when, tool, arguments),
            )
            return found.rowcount > 0

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=20, isolation_level=None)
