"""The progress of a run, its public face: phase, spending, verdicts, search attributes, timeline and result."""

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from perdure.contracts.budget import Allowance, Budget
from perdure.contracts.contract import Contract
from perdure.contracts.fault import Fault
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.run import AnyPhase, Cancelled, Exhausted, FailedRun, Outcome, Phase, RunResult
from perdure.contracts.temporal.search_attributes import (
    AGENT,
    COST_MICROS,
    GUARD_TRIGGERED,
    OUTCOME,
    PHASE,
    STEPS,
    TENANT,
)
from perdure.contracts.tool_calls.writes import Write
from workflows.effects import Effect
from workflows.run.headline import REASON, ended, failed, plain, spent
from workflows.run.outages import Outages
from workflows.run.paid import Account
from workflows.run.timeline import Timeline
from workflows.state_machines.purchase import OverBudget

Ask = TypeVar("Ask", bound=Contract)
Reply = TypeVar("Reply", bound=Contract)


class Progress:
    """The progress of one run. Every workflow has one."""

    def __init__(self, phase: AnyPhase, *, summed: bool = False) -> None:
        """`phase` is the first phase. `summed` is the option of `Timeline`."""
        self.phase = phase
        self.timeline = Timeline(summed=summed, headline=self.headline)
        self.ending = ""
        """How the run has ended, and why; empty while it runs."""
        self.outages = Outages(self.timeline.note)
        self.account = Account(Allowance(budget=Budget()), self.timeline.note, self.outages)
        self.verdicts: tuple[Verdict, ...] = ()
        self.deployment: str | None = None
        """The deployment where paid calls go first."""

    def begin(self, tenant: str, agent: str, budget: Budget, within: timedelta | None = None) -> None:
        """Begin the run: set its budget, its first phase and the search attributes that its starter left out.

        In an outage the run waits until `within` after its start; with None it waits without end.
        """
        self.outages.until = None if within is None else workflow.info().workflow_start_time + within
        self.account = Account(Allowance(budget=budget), self.timeline.note, self.outages)
        present = workflow.info().typed_search_attributes
        labels = (TENANT.value_set(tenant), AGENT.value_set(agent), PHASE.value_set(self.phase))
        missing = [label for label in labels if present.get(label.key) != label.value]
        if missing:
            workflow.upsert_search_attributes(missing)
        self.timeline.enter(self.phase, self._began())

    async def perform(self, effect: Effect[Ask, Reply], ask: Ask, *, summary: str | None = None) -> Reply:
        """Call a free effect and return its reply. Wait as long as a service that it needs is down.

        Raises `EffectFailed` where it fails for another reason, and where the run may wait no longer.
        """
        return await self.outages.perform(effect, ask, summary=summary)

    async def conclude(self, work: Coroutine[Any, Any, Outcome]) -> RunResult:
        """Await the outcome of the run, and return its result. A cancelled run has the outcome `Cancelled`.

        Raises the error of `failed` where the work raised a `Fault`.
        """
        try:
            outcome = await work
        except Fault as fault:
            raise self.failed(fault) from fault
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            outcome = Cancelled(phase=self.phase)
        return self.close(outcome)

    def _began(self) -> datetime:
        """Return the time when the first phase began."""
        return workflow.now()

    def judge(self, stage: str, verdicts: tuple[Verdict, ...], *, quietly: bool = False) -> str:
        """Store the verdicts, and return the reasons of those that block; empty where none does.

        `quietly` leaves verdicts that merely passed out of the timeline.
        """
        self._store(verdicts)
        self.timeline.verdicts(stage, verdicts, quietly=quietly)
        self._upsert_guards()
        return "; ".join(verdict.reason for verdict in verdicts if verdict.blocks)

    def _store(self, verdicts: tuple[Verdict, ...]) -> None:
        self.verdicts += verdicts

    def _upsert_guards(self) -> None:
        triggered = [verdict.guard for verdict in self.verdicts if not verdict.passed]
        if triggered:
            workflow.upsert_search_attributes([GUARD_TRIGGERED.value_set(triggered)])

    def exhausted(self, over: OverBudget) -> Exhausted:
        """Return the outcome of a run whose budget, or whose tenant's day, does not cover the next attempt."""
        if over.window is not None:
            return Exhausted(
                limit=over.limit,
                needed=over.needed,
                reserved=over.window.reserved,
                reason=f"Nothing more may be spent: {over.window.reason}.",
                window=over.window,
            )
        reserved = self.account.allowance.reserved
        return Exhausted(
            limit=over.limit,
            needed=over.needed,
            reserved=reserved,
            reason=f"The budget's {over.limit} would not cover the next attempt: raise it, or ask for less.",
        )

    def headline(self) -> Iterator[str]:
        """Yield the paragraphs above the timeline."""
        yield self.ending or f"**{self.phase.value}**"
        yield from () if self.ending else self.outages.lines()
        yield self.spent()

    def spent(self) -> str:
        """Return a sentence on what the run has spent, of which budget and at which model."""
        return spent(self.account.allowance, self.account.deployment or self.deployment, self.account.account)

    def why(self, outcome: Outcome) -> str:
        """Return why the run ended, as far as the words are ours; else empty."""
        return ended(outcome)

    def failed(self, fault: Fault, phase: AnyPhase | None = None, unknown: tuple[str, ...] = ()) -> ApplicationError:
        """End the run without an outcome, and return the error to raise, with a `FailedRun` in its details.

        `phase` is the phase in which it failed, `unknown` the calls whose outcome is unknown.
        """
        writes, more = self.writes()
        failure = FailedRun(
            phase=self.phase if phase is None else phase,
            reason=str(fault),
            spent=self.account.allowance.settled,
            unsettled=self.account.allowance.reserved,
            account=self.account.account,
            unknown=unknown,
            repeatable=not unknown and not self.wrote(),
            deployment=self.account.deployment or self.deployment,
            notices=tuple(self.account.notices),
            writes=writes,
            more_writes=more,
        )
        self.ending = failed(failure, workflow.info().workflow_id)
        self.timeline.step("**failed**", plain(str(fault), REASON), workflow.now())
        if labels := self.last_labels(waits=bool(unknown)):
            workflow.upsert_search_attributes(labels)
        return ApplicationError(str(fault), failure, type=type(fault).__name__)

    def writes(self) -> tuple[tuple[Write, ...], int]:
        """Return the writes of the run for its result, and the number of earlier ones."""
        return (), 0

    def wrote(self) -> bool:
        """Return whether a call of the run may have changed anything outside of it."""
        return False

    def enter(self, phase: AnyPhase) -> None:
        """Begin the next phase.

        The timeline shows every phase. The search attribute changes only for the longest one: a visibility write costs
        the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        if phase in (Phase.GENERATING, Phase.EXTRACTING):
            workflow.upsert_search_attributes([PHASE.value_set(phase)])

    def last_labels(self, *, waits: bool = False) -> list[SearchAttributeUpdate[Any]]:
        """Return further search attributes for the end of the run. `waits`: whether it still needs a person."""
        return []

    def close(self, outcome: Outcome) -> RunResult:
        """End the run with an outcome, and return its result: verdicts, costs, timings and notices with it."""
        allowance = self.account.allowance
        reason = self.why(outcome)
        self.ending = f"**{outcome.kind}**: {reason}" if reason else f"**{outcome.kind}**"
        self.timeline.close(outcome.kind, allowance.settled, workflow.now())
        workflow.upsert_search_attributes(
            [
                PHASE.value_set(Phase.CLOSED),
                OUTCOME.value_set(outcome.kind),
                COST_MICROS.value_set(allowance.settled.micro_dollars),
                STEPS.value_set(allowance.settled.steps + allowance.reserved.steps),
                *self.last_labels(),
            ]
        )
        writes, more = self.writes()
        return RunResult(
            outcome=outcome,
            verdicts=self.verdicts,
            spent=allowance.settled,
            unsettled=allowance.reserved,
            account=self.account.account,
            deployment=self.account.deployment or self.deployment,
            timings=self.timeline.stages(),
            notices=tuple(self.account.notices),
            writes=writes,
            more_writes=more,
        )
