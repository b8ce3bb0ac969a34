"""Follows a run while it goes on: its words as the model writes them, then what came of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.status import Status

from activities.ports import End, LogEntry, Piece, Position, Reset, TokenLog
from perdure.client import Platform
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import RunResult, RunStatus

STEPS = ("generate", "generate-repair-1")
"""The steps of a chain that speak, in their order."""


@dataclass(frozen=True)
class Followed:
    """What came of a run, and when it began to speak."""

    result: RunResult
    status: RunStatus
    first_word_ms: float | None
    """Milliseconds from its start to the first word that was shown; None where none was."""


class _Teller:
    """Prints words as they come. What is shown is not checked yet: the answer below it is."""

    def __init__(self, console: Console, waiting: Status, now: Callable[[], float]) -> None:
        self._console = console
        self._waiting = waiting
        self._now = now
        self.first: float | None = None
        self._open = False

    def hear(self, entry: LogEntry) -> None:
        match entry:
            case Reset(position) if position.attempt > 1 and self._open:
                self._say("\n  again    ")
            case Piece(text):
                if self.first is None:
                    self.first = self._now()
                    self._waiting.stop()
                if not self._open:
                    self._say("  writes   ")
                self._open = True
                self._say(text)
            case Reset() | End():
                pass

    def close(self) -> None:
        if self._open:
            self._say("\n")

    def _say(self, text: str) -> None:
        self._console.print(text, end="", style="dim", markup=False, highlight=False, soft_wrap=True)


async def follow(platform: Platform, log: TokenLog, run: str, console: Console) -> Followed:
    """Wait for a run's result, and print meanwhile what it says. Raises what `Platform.result` raises."""
    began = time.perf_counter()
    key = await _key(platform, run)
    with console.status("running: screen, route, retrieve, generate, check") as waiting:
        teller = _Teller(console, waiting, lambda: (time.perf_counter() - began) * 1000)
        listening = asyncio.create_task(_listen(log, key, teller))
        try:
            result = await platform.result(run)
            # Its last words may be on their way still.
            if teller.first is not None:
                await asyncio.wait([listening], timeout=1)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            teller.close()
    return Followed(result, await platform.status(run), teller.first)


async def _listen(log: TokenLog, key: StepKey, teller: _Teller) -> None:
    for step in STEPS:
        at = Position()
        async for entry in log.read(key.model_copy(update={"step": step}), at):
            teller.hear(entry)


async def _key(platform: Platform, run: str) -> StepKey:
    status = await platform.status(run)
    return StepKey(tenant=status.tenant, workflow_id=status.workflow_id, run_id=status.temporal_run_id, step=STEPS[0])
