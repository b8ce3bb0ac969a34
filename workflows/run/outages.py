"""What is away while a run needs it: it is waited for, told on the run's page, and counts as no attempt of anything."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow

from perdure.contracts.contract import Contract
from perdure.contracts.fault import EffectFailed
from workflows.effects import Effect, perform
from workflows.run.cancellation import cancel_on_exit
from workflows.run.headline import REASON, moment, plain
from workflows.state_machines.outage import lasted

Ask = TypeVar("Ask", bound=Contract)
Reply = TypeVar("Reply", bound=Contract)


@dataclass(frozen=True)
class _Away:
    reason: str
    since: datetime


class Outages:
    """What a run waits for."""

    def __init__(self, note: Callable[[str], None], until: datetime | None = None) -> None:
        """`note` puts a line on the run's page; `until` is when a run waits no longer, None for never."""
        self._note = note
        self._away: dict[str, _Away] = {}
        self.until = until
        self.stopped = False
        """Whether the run ends, so that nothing is waited for any more."""

    def begin(self, name: str, reason: str) -> None:
        """Something waits for what is away. Where it did so before, only another reason is news."""
        known = self._away.get(name)
        if known is not None and known.reason == reason:
            return
        self._away[name] = _Away(reason, workflow.now() if known is None else known.since)
        self._note(f"{plain(name)} **waits for what is away**: {plain(reason, REASON)}")
        if known is None:
            workflow.logger.error("a run waits for what is away", extra={"step": name, "reason": reason})

    def end(self, name: str) -> None:
        """It waits no more."""
        away = self._away.pop(name, None)
        if away is not None:
            self._note(f"{plain(name)} goes on, {lasted(workflow.now() - away.since)} after it began to wait")

    def lines(self) -> Iterator[str]:
        """What is waited for, a line each, for the head of the run's page."""
        until = "" if self.until is None else f", until {moment(self.until)} at most"
        for name, away in self._away.items():
            yield (
                f"**{plain(name)} waits for what is away** since {moment(away.since)}{until}: "
                f"{plain(away.reason, REASON)}. It goes on by itself."
            )

    async def perform(self, effect: Effect[Ask, Reply], ask: Ask, *, summary: str | None = None) -> Reply:
        """Ask for an effect that costs nothing, and wait for what it needs for as long as that is away.

        Raises `EffectFailed` where it fails for another reason, and where the run waits no longer.
        """
        try:
            return await perform(effect, ask, summary=summary, taken_within=self._left())
        except EffectFailed as failure:
            if not failure.away:
                raise
            return await self._waited(effect, ask, failure, summary)

    async def _waited(self, effect: Effect[Ask, Reply], ask: Ask, failure: EffectFailed, summary: str | None) -> Reply:
        left = self._left()
        if self.stopped or (left is not None and left <= timedelta(0)):
            raise failure
        name = effect.name if summary is None else f"{effect.name} ({summary})"
        self.begin(name, failure.reason)
        began = workflow.now()
        waiting = asyncio.create_task(perform(effect, ask, summary=summary, untiring=True, at_most=left))
        try:
            async with cancel_on_exit(waiting):
                await workflow.wait_condition(lambda: waiting.done() or self.stopped)
                if not waiting.done():
                    raise failure
                reply = await waiting
        except EffectFailed as last:
            if not last.away or self.stopped:
                raise
            raise EffectFailed(
                effect.name, f"{failure.reason} (it was waited for, for {lasted(workflow.now() - began)})", away=True
            ) from None
        self.end(name)
        return reply

    def _left(self) -> timedelta | None:
        return None if self.until is None else self.until - workflow.now()
