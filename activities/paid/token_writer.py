"""Writes a paid call's tokens to the token log, beside the call: a log that fails never fails the call."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, TypeAlias

from activities.ports import Position, StorageFailed, TokenLog
from perdure.contracts.chains.steps import StepKey

PACE: Final = timedelta(milliseconds=40)
"""The time between two writes, in which the tokens of a fast model are collected."""
PATIENCE: Final = timedelta(seconds=2)
"""How long a finished call waits for its last write to the log."""

Write: TypeAlias = Callable[[str], Awaitable[None]]
"""Takes the next characters of the reply; returns at once."""
ReportLost: TypeAlias = Callable[[StepKey, int, Exception], None]
"""Reports, once, that no more tokens of this attempt are shown, and why. It must not raise."""


class TokenWriter:
    """`async with TokenWriter(log, key, attempt, gate, lost=...) as write: await write(piece)`.

    It begins the attempt, writes the first piece at once and the others every `PACE`, and ends the attempt however the
    block is left. A first attempt begins only with its first piece. A log that fails is reported to `lost` and not
    written again: the durable answer is the step's reply.
    """

    def __init__(self, log: TokenLog, key: StepKey, attempt: int, gate: str | None = None, *, lost: ReportLost) -> None:
        """Write one attempt; attempts count from 1."""
        self._log = log
        self._key = key
        self._gate = gate
        self._lost = lost
        self._written = Position(attempt)
        self._unwritten: list[str] = []
        self._new_piece = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Write:
        """Start writing in a task, so that the call does not wait for the log."""
        self._task = asyncio.create_task(self._write_attempt())
        return self._add

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the rest and the end. Wait up to `PATIENCE` for that, even if the call is cancelled in the meantime."""
        self._closed.set()
        self._new_piece.set()
        if self._task is not None:
            await _wait_for(self._task)

    async def _add(self, text: str) -> None:
        if text and self._task is not None and not self._task.done():
            self._unwritten.append(text)
            self._new_piece.set()

    async def _write_attempt(self) -> None:
        try:
            if self._written.attempt == 1:
                # A thought that only calls tools has no text. A later attempt voids the earlier tokens at once.
                await self._new_piece.wait()
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
        except Exception as error:  # noqa: BLE001 - no error of the log may fail a paid call
            self._lost(self._key, self._written.attempt, error)
            # Nobody should wait for what will not come.
            with suppress(Exception):
                await self._log.end(self._key, self._written)

    async def _write_pieces(self) -> None:
        while True:
            await self._new_piece.wait()
            self._new_piece.clear()
            if self._unwritten:
                text = "".join(self._unwritten)
                self._unwritten.clear()
                await self._log.append(self._key, self._written, text)
                self._written = Position(self._written.attempt, self._written.offset + len(text))
            if self._closed.is_set() and not self._unwritten:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE.total_seconds()):
                    await self._closed.wait()


async def _wait_for(writing: asyncio.Task[None]) -> None:
    """Wait for a writing task, and cancel it if it is late. A cancellation of the caller is raised after that."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + PATIENCE.total_seconds()
    cancelled: asyncio.CancelledError | None = None
    while not writing.done():
        left = deadline - clock.time()
        if left <= 0:
            writing.cancel()
        try:
            # Cancel in every round: a client library may swallow a cancellation.
            await asyncio.wait({writing}, timeout=max(left, PACE.total_seconds()))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
