"""Writes what a paid call says to the token log, beside the call: the log's troubles are never the call's."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, TypeAlias

from activities.ports import Position, StorageFailed, TokenLog
from perdure.contracts.chains.steps import StepKey

PACE: Final = timedelta(milliseconds=40)
"""The time between two writes, in which a fast model's tokens gather."""
PATIENCE: Final = timedelta(seconds=2)
"""How long a call that is done waits for the log to take the rest."""

Said: TypeAlias = Callable[[str], Awaitable[None]]
"""Takes the next characters of the reply; returns at once."""
Lost: TypeAlias = Callable[[StepKey, int, Exception], None]
"""Hears, once, that from here on nothing of this attempt is shown, and why. It must not raise."""


class TokenWriter:
    """`async with TokenWriter(log, key, attempt, gate, lost=...) as said: await said(piece)`.

    Begins the attempt, the first one with its first piece, writes that at once and the others at a pace, and ends the
    attempt however the block is left. A log that fails is told to `lost` and then left alone: the durable answer is the
    step's reply.
    """

    def __init__(self, log: TokenLog, key: StepKey, attempt: int, gate: str | None = None, *, lost: Lost) -> None:
        """For one attempt, which counts from 1."""
        self._log = log
        self._key = key
        self._gate = gate
        self._lost = lost
        self._written = Position(attempt)
        self._unwritten: list[str] = []
        self._said = asyncio.Event()
        self._left = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Said:
        """Begin. The call does not wait for it."""
        self._writing = asyncio.create_task(self._write())
        return self._say

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the rest and the end; wait for that as long as `PATIENCE`, even if the call is cancelled meanwhile."""
        self._left.set()
        self._said.set()
        if self._writing is not None:
            await _settled(self._writing)

    async def _say(self, text: str) -> None:
        if text and self._writing is not None and not self._writing.done():
            self._unwritten.append(text)
            self._said.set()

    async def _write(self) -> None:
        try:
            if self._written.attempt == 1:
                # A thought that only asks for tools says nothing. A later attempt voids what was shown, at once.
                await self._said.wait()
                if not self._unwritten:
                    await self._log.begin(self._key, 1, self._gate, ended=True)
                    return
            await self._log.begin(self._key, self._written.attempt, self._gate)
            await self._write_pieces()
            await self._log.end(self._key, self._written)
        except asyncio.CancelledError:
            late = StorageFailed(
                f"the token log was given up {PATIENCE.total_seconds():g} s after the call: see how it does"
            )
            self._lost(self._key, self._written.attempt, late)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call that people paid for goes on
            self._lost(self._key, self._written.attempt, error)
            # Nobody should wait for what will not come.
            with suppress(Exception):
                await self._log.end(self._key, self._written)

    async def _write_pieces(self) -> None:
        while True:
            await self._said.wait()
            self._said.clear()
            if self._unwritten:
                text = "".join(self._unwritten)
                self._unwritten.clear()
                await self._log.append(self._key, self._written, text)
                self._written = Position(self._written.attempt, self._written.offset + len(text))
            if self._left.is_set() and not self._unwritten:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE.total_seconds()):
                    await self._left.wait()


async def _settled(writing: asyncio.Task[None]) -> None:
    """Wait until it is done; one that is not in time is given up. A cancellation waits for that too."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + PATIENCE.total_seconds()
    cancelled: asyncio.CancelledError | None = None
    while not writing.done():
        left = deadline - clock.time()
        if left <= 0:
            writing.cancel()
        try:
            # Again if need be: a client's library may lose a cancellation.
            await asyncio.wait({writing}, timeout=max(left, PACE.total_seconds()))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
