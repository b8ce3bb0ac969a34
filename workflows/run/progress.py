"""What a run keeps and shows of itself: how far it is, what it spent, what the guards found, and its result."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import ApplicationError

from perdure.contracts.budget import Allowance, Budget
from perdure.contracts.contract import Contract
from perdure.contracts.fault import Fault
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.run import AnyPhase, Exhausted, FailedRun, Outcome, Phase, RunResult
from perdure.contracts.temporal.search_attributes import (
    AGENT,
    COST_MICROS,
    GUARD_TRIGGERED,
    OUTCOME,
    PHASE,
    STEPS,
    TENANT,
)
from workflows.effects import Effect
from workflows.run.headline import REASON, ended, failed, plain, spent
from workflows.run.outages import Outages
from workflows.run.paid import Account
from workflows.run.timeline import Timeline
from workflows.state_machines.purchase import OverBudget

Ask = TypeVar("Ask", bound=Contract)
Reply = TypeVar("Reply", bound=Contract)


class Progress:
    """One run's progress. Every driver has one."""

    def __init__(self, phase: AnyPhase, *, summed: bool = False) -> None:
        """`phase` is the first one. `summed` is the timeline's."""
        self.phase = phase
        self.timeline = Timeline(summed=summed, headline=self.headline)
        self.ending = ""
        """How the run has ended, and why; empty while it goes on."""
        self.outages = Outages(self.timeline.note)
        self.account = Account(Allowance(budget=Budget()), self.timeline.note, self.outages)
        self.verdicts: tuple[Verdict, ...] = ()
        self.deployment: str | None = None
        """Where paid calls go first."""

    def begin(self, tenant: str, agent: str, budget: Budget, within: timedelta | None = None) -> None:
        """Say whose run this is and what it does, also where the starter did not.

        What is away it waits for until `within` is over, counted from the run's start; with None without an end.
        """
        self.outages.until = None if within is None else workflow.info().workflow_start_time + within
        self.account = Account(Allowance(budget=budget), self.timeline.note, self.outages)
        given = workflow.info().typed_search_attributes
        labels = (TENANT.value_set(tenant), AGENT.value_set(agent), PHASE.value_set(self.phase))
        missing = [label for label in labels if given.get(label.key) != label.value]
        if missing:
            workflow.upsert_search_attributes(missing)
        self.timeline.enter(self.phase, self._began())

    async def perform(self, effect: Effect[Ask, Reply], ask: Ask, *, summary: str | None = None) -> Reply:
        """Ask for an effect that costs nothing, and wait for what it needs for as long as that is away.

        Raises `EffectFailed` where it fails for another reason, or the run waits no longer.
        """
        return await self.outages.perform(effect, ask, summary=summary)

    def _began(self) -> datetime:
        """When the first phase began."""
        return workflow.now()

    def judge(self, stage: str, verdicts: tuple[Verdict, ...], *, quietly: bool = False) -> str:
        """Keep the verdicts; the reasons of those that block, empty where none does. `quietly` is the timeline's."""
        self._keep(verdicts)
        self.timeline.verdicts(stage, verdicts, quietly=quietly)
        self._let_guards_be_found()
        return "; ".join(verdict.reason for verdict in verdicts if verdict.blocks)

    def _keep(self, verdicts: tuple[Verdict, ...]) -> None:
        self.verdicts += verdicts

    def _let_guards_be_found(self) -> None:
        triggered = [verdict.guard for verdict in self.verdicts if not verdict.passed]
        if triggered:
            workflow.upsert_search_attributes([GUARD_TRIGGERED.value_set(triggered)])

    def exhausted(self, over: OverBudget) -> Exhausted:
        """The ending of a run whose budget, or whose tenant's day, does not cover what comes next."""
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
        """What stands above the timeline."""
        yield self.ending or f"**{self.phase.value}**"
        yield from () if self.ending else self.outages.lines()
        yield self.spent()

    def spent(self) -> str:
        """What the run has spent, of which budget, and at which model."""
        return spent(self.account.allowance, self.account.deployment or self.deployment, self.account.account)

    def why(self, outcome: Outcome) -> str:
        """Why it ended so, as far as these are words of ours."""
        return ended(outcome)

    def failed(self, fault: Fault, phase: AnyPhase | None = None, unknown: tuple[str, ...] = ()) -> ApplicationError:
        """The run ends without an outcome: the error with which it does, and which says what is known.

        `phase` is what it was doing when it failed, `unknown` the calls whose outcome is unknown.
        """
        how = FailedRun(
            phase=phase or self.phase,
            reason=str(fault),
            spent=self.account.allowance.settled,
            unsettled=self.account.allowance.reserved,
            account=self.account.account,
            unknown=unknown,
            repeatable=not unknown and not self.wrote(),
            deployment=self.account.deployment or self.deployment,
            notices=tuple(self.account.notices),
        )
        self.ending = failed(how, workflow.info().workflow_id)
        self.timeline.step("**failed**", plain(str(fault), REASON), workflow.now())
        if labels := self.last_labels(waits=bool(unknown)):
            workflow.upsert_search_attributes(labels)
        return ApplicationError(str(fault), how, type=type(fault).__name__)

    def wrote(self) -> bool:
        """Whether the run may have changed the world."""
        return False

    def enter(self, phase: AnyPhase) -> None:
        """Go on to the next phase.

        The timeline shows every phase. For a search by phase only the one that lasts is worth its price: a visibility
        write costs the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        if phase in (Phase.GENERATING, Phase.EXTRACTING):
            workflow.upsert_search_attributes([PHASE.value_set(phase)])

    def last_labels(self, *, waits: bool = False) -> list[SearchAttributeUpdate[Any]]:
        """What else the run is found by once it is over; `waits` says whether a person still has to look at it."""
        return []

    def close(self, outcome: Outcome) -> RunResult:
        """The result, with its evidence."""
        allowance = self.account.allowance
        why = self.why(outcome)
        self.ending = f"**{outcome.kind}**: {why}" if why else f"**{outcome.kind}**"
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
        return RunResult(
            outcome=outcome,
            verdicts=self.verdicts,
            spent=allowance.settled,
            unsettled=allowance.reserved,
            account=self.account.account,
            deployment=self.account.deployment or self.deployment,
            timings=self.timeline.stages(),
            notices=tuple(self.account.notices),
        )
