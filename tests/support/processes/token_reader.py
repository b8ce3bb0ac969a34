"""A reader of a token log that loses its connection now and then, and counts the entries that it gets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

from activities.ports import End, LogEntry, Piece, Position, Reset, TokenLog
from perdure.contracts.chains.steps import StepKey
from tests.support.waiting import until


@dataclass
class Reader:
    """A reader of one step. It tells the log only its position, and nothing else of what it has read."""

    log: TokenLog
    key: StepKey
    at: Position = field(default_factory=Position)
    text: str = ""
    """The text of the current attempt."""
    attempts: list[int] = field(default_factory=list[int])
    """The attempts that were announced by a `Reset`."""
    unannounced: int = 0
    """The number of entries of an attempt that no `Reset` announced."""
    ended: bool = False

    async def entry(self) -> None:
        """Connect, read one entry, disconnect."""
        async with aclosing(cast("AsyncGenerator[LogEntry]", self.log.read(self.key, self.at))) as entries:
            self.hear(await anext(entries))

    async def to_the_end(self) -> None:
        """Read until the newest attempt has ended."""
        async for entry in self.log.read(self.key, self.at):
            self.hear(entry)

    async def until(self, text: str, *, attempt: int) -> None:
        """Wait until it holds this text of this attempt, while it reads in a task of its own."""
        await until(
            lambda: (self.at.attempt, self.text) == (attempt, text), what=f"a reader holds {text!r}", every=0.002
        )

    def hear(self, entry: LogEntry) -> None:
        """Apply an entry."""
        match entry:
            case Reset(position):
                self.attempts.append(position.attempt)
                self.text = ""
            case Piece(text, position):
                self.unannounced += position.attempt != self.at.attempt
                self.text += text
            case End(position):
                self.unannounced += position.attempt != self.at.attempt
        self.ended = isinstance(entry, End)
        self.at = entry.position

    def go_back(self, to: int) -> None:
        """Drop the text after so many characters of this attempt."""
        self.text = self.text[:to]
        self.at = Position(self.at.attempt, to)
        self.ended = False
