"""The port for the token log: the replies of paid steps while they are written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from perdure.contracts.chains.steps import StepKey


@dataclass(frozen=True, order=True)
class Position:
    """The position of a reader in a token log."""

    attempt: int = 0
    """The attempt's number; 0 before the first."""
    offset: int = 0
    """The characters of this attempt that were read."""


@dataclass(frozen=True)
class Reset:
    """Another attempt begins: the tokens of the one before it are void."""

    position: Position


@dataclass(frozen=True)
class Piece:
    """The next characters of the attempt."""

    text: str
    position: Position
    """The position after this piece. A reader that continues from it misses nothing and sees nothing twice."""


@dataclass(frozen=True)
class End:
    """The attempt has ended: no more tokens follow."""

    position: Position


LogEntry: TypeAlias = Reset | Piece | End


class TokenLog(Protocol):
    """Shows the replies of paid steps while they are written. The durable answer is the step's reply.

    The log holds each step (tenant, run, step) by attempt and offset in characters. An attempt may have a gate: until
    the run's gate of that name is opened it stays hidden, even the fact that it began. A late write of an attempt that
    a later one has voided changes nothing. Every method raises `StorageFailed`, and those that write `StorageFull`;
    each may be repeated.
    """

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt, numbered from 1, which voids the earlier ones. Beginning it again changes nothing.

        An attempt without tokens may begin as `ended`: one write instead of two. If it had begun before, it then ends.
        """
        ...

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write characters at a position of an attempt. Writing the same at the same position again changes nothing.

        Raises `StorageFailed` for a position after the end of the text, for an attempt that was not begun, and for a
        write after the end of an ended attempt.
        """
        ...

    async def end(self, key: StepKey, position: Position) -> None:
        """End the attempt at this position. Raises `StorageFailed` if its text does not end there."""
        ...

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate of a run, for as long as the run's steps are kept: attempts behind it become visible.

        It may be opened before anything is written. Opening it again changes nothing.
        """
        ...

    def read(self, key: StepKey, after: Position = Position()) -> AsyncIterator[LogEntry]:
        """Follow a step from a position, and wait for new pieces, until its newest attempt has ended.

        `Reset` announces an attempt other than the one in `after`. Reading stops at an ended attempt, even if another
        one begins later: read again from its end to see that. Close the iterator if you do not read it to its end.
        """
        ...

    async def forget(self, older_than: timedelta) -> int:
        """Delete the steps whose newest attempt began longer ago than this, and return how many."""
        ...
