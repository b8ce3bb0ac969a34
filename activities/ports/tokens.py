"""The token log: what paid steps say while they say it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from perdure.contracts.chains.steps import StepKey


@dataclass(frozen=True, order=True)
class Position:
    """How far a reader of a token log is."""

    attempt: int = 0
    """0 before the first."""
    offset: int = 0
    """Characters of this attempt that were read."""


@dataclass(frozen=True)
class Reset:
    """Another attempt begins: what was shown of the one before it is void."""

    position: Position


@dataclass(frozen=True)
class Piece:
    """The next characters of the attempt."""

    text: str
    position: Position
    """After this piece: a reader that goes on from here misses nothing and sees nothing twice."""


@dataclass(frozen=True)
class End:
    """The attempt has said all that it will say."""

    position: Position


LogEntry: TypeAlias = Reset | Piece | End


class TokenLog(Protocol):
    """What paid steps say while they say it, for people who wait. The durable answer is the step's reply.

    Kept for each step (tenant, run, step) by attempt and offset in characters. A log may be gated: what is written
    then, and that it is written, stays hidden until the run's gate of that name is opened. What is done late, for an
    attempt that a later one has voided, changes nothing. Every method raises `StorageFailed`, and those that write
    `StorageFull`; each may be repeated.
    """

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt, from 1, which voids the earlier ones. Beginning it again changes nothing.

        One that says nothing may begin as `ended`: one write instead of two. Where it had begun, it then ends.
        """
        ...

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write characters at a position of an attempt. Writing the same at the same position again changes nothing.

        Raises `StorageFailed` for a position beyond what is written, for an attempt that was not begun, and for more
        than an ended attempt holds.
        """
        ...

    async def end(self, key: StepKey, position: Position) -> None:
        """The attempt ends at this position, which is where its text ends: `StorageFailed` anywhere else."""
        ...

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate of a run, for as long as the run's steps are kept: everything behind it may be shown.

        It may be opened before anything is written. Opening it again changes nothing.
        """
        ...

    def read(self, key: StepKey, after: Position = Position()) -> AsyncIterator[LogEntry]:
        """Follow a step from a position, waiting for what is not yet written, until its newest attempt ended.

        An attempt other than the one in `after` is announced by `Reset`. An ended attempt that is followed by another
        one later is not waited for: read again from its end to see that one. Close the iterator when it is not read
        to its end.
        """
        ...

    async def forget(self, older_than: timedelta) -> int:
        """Delete the steps whose newest attempt began longer ago than this; how many that were."""
        ...
