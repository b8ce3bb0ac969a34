"""Follows a run in progress: prints the model's words as they arrive, then returns the result."""

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
from workflows.state_machines.ending import LONGER

STEPS = tuple(f"{step}{longer}" for step in ("generate", "generate-repair-1") for longer in ("", LONGER))
"""The steps of a chain that write tokens. A step with `LONGER` only comes after a reply that was cut."""


@dataclass(frozen=True)
class Followed:
    """A run's result, and the time of its first word."""

    result: RunResult
    status: RunStatus
    first_word_ms: float | None
    """The milliseconds from the start to the first word shown; None where no word was shown."""


class _Printer:
    """Prints words as they arrive. They are not checked yet; the final answer is."""

    def __init__(self, console: Console, waiting: Status, now: Callable[[], float]) -> None:
        self._console = console
        self._waiting = waiting
        self._now = now
        self.first_ms: float | None = None
        self._line_open = False

    def show(self, entry: LogEntry) -> None:
        """Print the words of a log entry, and begin a new line where the model begins again."""
        match entry:
            case Reset(position) if position.attempt > 1 and self._line_open:
                self._print("\n  again    ")
            case Piece(text):
                if self.first_ms is None:
                    self.first_ms = self._now()
                    self._waiting.stop()
                if not self._line_open:
                    self._print("  writes   ")
                self._line_open = True
                self._print(text)
            case Reset() | End():
                pass

    def close(self) -> None:
        """End the line of words, if there is one."""
        if self._line_open:
            self._print("\n")

    def _print(self, text: str) -> None:
        self._console.print(text, end="", style="dim", markup=False, highlight=False, soft_wrap=True)


async def follow(platform: Platform, log: TokenLog, run: str, console: Console) -> Followed:
    """Wait for a run's result, and print its words meanwhile. Raises the errors of `Platform.result`."""
    began = time.perf_counter()
    key = await _key(platform, run)
    with console.status("running: screen, route, retrieve, generate, check") as waiting:
        printer = _Printer(console, waiting, lambda: (time.perf_counter() - began) * 1000)
        listening = asyncio.create_task(_listen(log, key, printer))
        try:
            result = await platform.result(run)
            # The last words may still be on their way.
            if printer.first_ms is not None:
                await asyncio.wait([listening], timeout=1)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            printer.close()
    return Followed(result, await platform.status(run), printer.first_ms)


async def _listen(log: TokenLog, key: StepKey, printer: _Printer) -> None:
    """Show the token log of each step that writes. Which of them come is not known before, but no two write at once."""

    async def show(step: str) -> None:
        async for entry in log.read(key.model_copy(update={"step": step}), Position()):
            printer.show(entry)

    await asyncio.gather(*map(show, STEPS))


async def _key(platform: Platform, run: str) -> StepKey:
    """Return the key of the run's first step that writes tokens."""
    status = await platform.status(run)
    return StepKey(tenant=status.tenant, workflow_id=status.workflow_id, run_id=status.temporal_run_id, step=STEPS[0])
