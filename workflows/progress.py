"""What a run keeps and shows of itself: how far it is, what it spent, what the guards found, and its result."""

from collections.abc import Iterator
from datetime import datetime

from temporalio import workflow

from perdure.contracts.budget import Allowance, Budget
from perdure.contracts.fault import Fault
from perdure.contracts.guards import Verdict
from perdure.contracts.run import AnyPhase, Exhausted, Outcome, Phase, RunResult
from perdure.contracts.search_attributes import (
    AGENT,
    COST_MICROS,
    GUARD_TRIGGERED,
    OUTCOME,
    PHASE,
    STEPS,
    TENANT,
)
from workflows.headline import REASON, ended, plain, spent
from workflows.paid import Purse
from workflows.state_machines.purchase import OverBudget
from workflows.timeline import Timeline


class Progress:
    """One run's progress. Every driver has one."""

    def __init__(self, phase: AnyPhase, *, summed: bool = False) -> None:
        """`phase` is the first one. `summed` is the timeline's."""
        self.phase = phase
        self.timeline = Timeline(summed=summed, headline=self.headline)
        self.ending = ""
        """How the run has ended, and why; empty while it goes on."""
        self.purse = Purse(Allowance(budget=Budget()), self.timeline.note)
        self.verdicts: tuple[Verdict, ...] = ()
        self.deployment: str | None = None
        """Where paid calls go first."""

    def begin(self, tenant: str, agent: str, budget: Budget) -> None:
        """Say whose run this is and what it does, also where the starter did not."""
        self.purse = Purse(Allowance(budget=budget), self.timeline.note)
        given = workflow.info().typed_search_attributes
        labels = (TENANT.value_set(tenant), AGENT.value_set(agent), PHASE.value_set(self.phase))
        missing = [label for label in labels if given.get(label.key) != label.value]
        if missing:
            workflow.upsert_search_attributes(missing)
        self.timeline.enter(self.phase, self._began())

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
        reserved = self.purse.allowance.reserved
        return Exhausted(
            limit=over.limit,
            needed=over.needed,
            reserved=reserved,
            reason=f"The budget's {over.limit} would not cover the next attempt: raise it, or ask for less.",
        )

    def headline(self) -> Iterator[str]:
        """What stands above the timeline."""
        yield self.ending or f"**{self.phase.value}**"
        yield spent(self.purse.allowance, self.purse.deployment or self.deployment)

    def why(self, outcome: Outcome) -> str:
        """Why it ended so, as far as these are words of ours."""
        return ended(outcome)

    def failed(self, fault: Fault) -> None:
        """The run ends without an outcome. Temporal keeps the reason; here stands what to do about it."""
        self.ending = (
            f"**failed** while it was {self.phase.value}: {plain(str(fault), REASON)}. "
            "Mend that, then start it again under another id: what it has done stays done."
        )
        self.timeline.step("**failed**", plain(str(fault), REASON), workflow.now())

    def enter(self, phase: AnyPhase) -> None:
        """Go on to the next phase.

        The timeline shows every phase. For a search by phase only the one that lasts is worth its price: a visibility
        write costs the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        if phase in (Phase.GENERATING, Phase.EXTRACTING):
            workflow.upsert_search_attributes([PHASE.value_set(phase)])

    def close(self, outcome: Outcome) -> RunResult:
        """The result, with its evidence."""
        allowance = self.purse.allowance
        why = self.why(outcome)
        self.ending = f"**{outcome.kind}**: {why}" if why else f"**{outcome.kind}**"
        self.timeline.close(outcome.kind, allowance.settled, workflow.now())
        workflow.upsert_search_attributes(
            [
                PHASE.value_set(Phase.CLOSED),
                OUTCOME.value_set(outcome.kind),
                COST_MICROS.value_set(allowance.settled.micro_dollars),
                STEPS.value_set(allowance.settled.steps + allowance.reserved.steps),
            ]
        )
        return RunResult(
            outcome=outcome,
            verdicts=self.verdicts,
            spent=allowance.settled,
            unsettled=allowance.reserved,
            deployment=self.purse.deployment or self.deployment,
            timings=self.timeline.stages(),
            notices=tuple(self.purse.notices),
        )
