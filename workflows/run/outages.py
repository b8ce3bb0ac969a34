"""Outages: a run waits for a service that is down, shows the wait on its page, and counts no attempt for it."""

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
class _Outage:
    reason: str
    since: datetime


class Outages:
    """The open outages that the steps of a run wait for."""

    def __init__(self, note: Callable[[str], None], until: datetime | None = None) -> None:
        """`note` adds a line to the run's page. `until` is when the run stops waiting; with None it never does."""
        self._note = note
        self._open: dict[str, _Outage] = {}
        self.until = until
        self.stopped = False
        """Whether the run ends, so that no step may wait any longer."""

    def begin(self, name: str, reason: str) -> None:
        """Record that a step waits. A step that waits already is noted again only for another reason."""
        earlier = self._open.get(name)
        if earlier is not None and earlier.reason == reason:
            return
        self._open[name] = _Outage(reason, workflow.now() if earlier is None else earlier.since)
        self._note(f"{plain(name)} **waits for what is away**: {plain(reason, REASON)}")
        if earlier is None:
            workflow.logger.error("a run waits for what is away", extra={"step": name, "reason": reason})

    def end(self, name: str) -> None:
        """Record that a step no longer waits. Do nothing where it did not."""
        outage = self._open.pop(name, None)
        if outage is not None:
            self._note(f"{plain(name)} goes on, {lasted(workflow.now() - outage.since)} after it began to wait")

    def lines(self) -> Iterator[str]:
        """Yield one line for each open outage, for the head of the run's page."""
        until = "" if self.until is None else f", until {moment(self.until)} at most"
        for name, outage in self._open.items():
            yield (
                f"**{plain(name)} waits for what is away** since {moment(outage.since)}{until}: "
                f"{plain(outage.reason, REASON)}. It goes on by itself."
            )

    async def perform(self, effect: Effect[Ask, Reply], ask: Ask, *, summary: str | None = None) -> Reply:
        """Call a free effect and return its reply. Wait as long as a service that it needs is down.

        Raises `EffectFailed` where it fails for another reason, and where the run may wait no longer.
        """
        try:
            return await perform(effect, ask, summary=summary, time_left=self._left())
        except EffectFailed as failure:
            if not failure.away:
                raise
            return await self._wait(effect, ask, failure, summary)

    async def _wait(self, effect: Effect[Ask, Reply], ask: Ask, failure: EffectFailed, summary: str | None) -> Reply:
        """Have the server retry the effect until it replies, the run stops or its time is over."""
        left = self._left()
        if self.stopped or (left is not None and left <= timedelta(0)):
            raise failure
        name = effect.name if summary is None else f"{effect.name} ({summary})"
        self.begin(name, failure.reason)
        began = workflow.now()
        retrying = asyncio.create_task(perform(effect, ask, summary=summary, retry_forever=True, time_left=left))
        try:
            async with cancel_on_exit(retrying):
                await workflow.wait_condition(lambda: retrying.done() or self.stopped)
                if not retrying.done():
                    raise failure
                reply = await retrying
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
