"""The progress of an agent's run: its state, which changes only here, and what operators see of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall, Shortfall
from perdure.contracts.agents.compaction import Compacted, Mark
from perdure.contracts.agents.steps import Thought
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.continued import HandOver
from perdure.contracts.runs.run import Abstained, AnyPhase, Outcome, Refused, Stuck, Unfinished
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL, GUARD_TRIGGERED, PHASE
from perdure.contracts.tool_calls.decisions import DecisionReply, StepDecision
from perdure.contracts.tool_calls.writes import Write
from workflows.agent_parts.binding import restored, with_call
from workflows.run.headline import REASON, chosen, cost_of, named, now, plain, starter
from workflows.run.paid import Account
from workflows.run.progress import Progress
from workflows.state_machines import agent, compaction, ending, tool_call, writes
from workflows.state_machines.approvals import WAITING
from workflows.state_machines.decisions import describe
from workflows.state_machines.purchase import OverBudget

STRAYS = 20
"""The most invalid signals that are noted, each with what was wrong."""

VERDICTS = 500
"""The most verdicts in the run's result, each different from the others: the history has them all."""

WORKING = (AgentPhase.THINKING, AgentPhase.COMPACTING, AgentPhase.ACTING, AgentPhase.CHECKING)
"""The phases of a run that works and waits for no person. They follow each other many times."""

SHOWN_DIGEST = 12
"""The characters of a digest that the timeline shows: a whole one would be wider than the page.

A decision needs the whole digest, which the query `pending` and the inbox return."""


class AgentProgress(Progress):
    """The progress of an agent's run."""

    def __init__(self) -> None:
        super().__init__(AgentPhase.PINNING, summed=True)
        self._state: AgentRun | None = None
        self._strays = 0
        self._awaiting = False
        self._shown_awaiting = False
        self._shown_guards: list[str] = []
        self._shown_phase = self.phase
        """The phase in the run's search attribute."""
        self._execution = 1
        """The number of this execution in its run."""
        self.paused: str | None = None
        """Who paused the run and why; None while it is not paused. It may be paused before the agent is pinned."""

    @property
    def state(self) -> AgentRun:
        """The state of the run. Raises `LookupError` before the agent is pinned."""
        if self._state is None:
            raise LookupError("nothing is pinned yet")
        return self._state

    @property
    def state_or_none(self) -> AgentRun | None:
        """The state of the run; None before the agent is pinned."""
        return self._state

    def restore(self, handed: HandOver) -> None:
        """Restore the state from the execution before. The server has carried the search attributes over."""
        run, attributes = handed.run, workflow.info().typed_search_attributes
        self.phase = handed.phase
        self._shown_phase = AgentPhase(attributes.get(PHASE, handed.phase.value))
        self._shown_awaiting = attributes.get(AWAITING_APPROVAL, default=False)
        self._shown_guards = list(attributes.get(GUARD_TRIGGERED, default=()))
        self.timeline.restore(handed.phase, handed.telling)
        self.account = Account(run.allowance, self.timeline.note, self.outages, handed.account)
        self.account.notices.extend(run.notices)
        self.account.deployment = handed.deployment
        self.deployment = run.deployment.name
        self.verdicts = run.verdicts
        self._strays = run.strays
        self.paused = run.paused
        self._execution = handed.execution
        self.timeline.note(f"the history was long: the run goes on in its execution {handed.execution}")
        self.put(restored(run))

    def snapshot(self) -> HandOver:
        """Return the whole state, for the run's next execution."""
        run = self.state.model_copy(
            update={
                "allowance": self.account.allowance,
                "verdicts": self.verdicts,
                "notices": tuple(self.account.notices),
                "strays": self._strays,
            }
        )
        return HandOver(
            run=run,
            phase=AgentPhase(self.phase),
            telling=self.timeline.telling(),
            deployment=self.account.deployment,
            execution=self._execution + 1,
            account=self.account.account,
        )

    def mark_continued(self) -> None:
        """Show on the page of this execution that the run goes on in the next one."""
        self.ending = (
            f"**continued** as execution {self._execution + 1} of this run, since the history was long: "
            "how it is now stands on the page of the latest execution."
        )
        self.timeline.say()

    def put(self, state: AgentRun) -> None:
        """Store the new state of the run, and show it."""
        first = self._state is None
        self._state = state.model_copy(update={"paused": self.paused})
        self._show()
        if first:
            self.timeline.say()  # the page shows what is pinned even before the task is screened

    def headline(self) -> Iterator[str]:
        """Yield paragraphs on what the run does now, whom it waits for, and what it has spent."""
        if self.ending or self._state is None:
            yield self.ending or f"**{self.phase.value}**"
        else:
            phase, since = AgentPhase(self.phase), self.timeline.since
            yield from now(self._state, phase, since, named(workflow.info().workflow_id))
        yield from () if self.ending else self.outages.lines()
        yield self.spent() + ("" if self._state is None else starter(self._state))

    def why(self, outcome: Outcome) -> str:
        """Return why the run ended, also where guards stopped it: their reasons never hold the checked text."""
        ours = isinstance(outcome, Abstained | Refused | Stuck | Unfinished)
        return plain(outcome.reason, REASON) if ours else super().why(outcome)

    def _store(self, verdicts: tuple[Verdict, ...]) -> None:
        """Store each different verdict once: a long run has the same verdict on thousands of calls."""
        known = dict.fromkeys(map(_finding, self.verdicts))
        for verdict in verdicts:
            if _finding(verdict) not in known and len(self.verdicts) < VERDICTS:
                known[_finding(verdict)] = None
                self.verdicts += (verdict,)

    def _upsert_guards(self) -> None:
        """Write each guard once, and only where one is new: the server limits the list, and writes are costly."""
        triggered = sorted(dict.fromkeys(verdict.guard for verdict in self.verdicts if not verdict.passed))
        if triggered != self._shown_guards:
            self._shown_guards = triggered
            workflow.upsert_search_attributes([GUARD_TRIGGERED.value_set(triggered)])

    def last_labels(self, *, waits: bool = False) -> list[SearchAttributeUpdate[Any]]:
        """Return whether the run waits for a person, if that changed: a failed run may, a cancelled one never does."""
        return [AWAITING_APPROVAL.value_set(waits)] if waits != self._shown_awaiting else []

    def writes(self) -> tuple[tuple[Write, ...], int]:
        return ((), 0) if self._state is None else writes.listed(self._state)

    def wrote(self) -> bool:
        return self._state is not None and self._state.wrote

    def fall_short(self, over: OverBudget) -> None:
        """Store that the budget, or the tenant's day, does not cover the next step: the run ends by that."""
        short = Shortfall(limit=over.limit, needed=over.needed, window=over.window)
        self.put(self.state.model_copy(update={"short": short}))

    def put_call(self, call: RequestedCall) -> None:
        """Store the new state of one call, and show it."""
        before = self.state.call(call.id)
        self.put(with_call(self.state, call))
        same_attempt = (call.attempts, call.tries) == (before.attempts, before.tries)
        if call.stage is not before.stage:
            self._show_stage(self.state.call(call.id), before)
        elif call.failure and same_attempt and call.stage not in WAITING:
            failure = f"attempt {call.attempts} told nothing: {plain(call.failure, REASON)}"
            self.timeline.step(f"{call.id} {plain(call.tool)}", failure, workflow.now())
        else:
            self.timeline.say()

    def _began(self) -> datetime:
        """Return the run's start: an update may split the first task, and `now` would differ in a replay."""
        return workflow.info().workflow_start_time

    def hold(self, who: str | None, notice: str) -> None:
        """Pause the run in the name of `who`, or resume it with None."""
        self.paused = who
        self.timeline.note(plain(notice))
        if self._state is not None:
            self.put(self._state)

    def thought(self, step: str, reply: Thought) -> None:
        """Store the model's reply, and show what it chose."""
        self.timeline.step(step, f"{plain(reply.model)}: {plain(chosen(reply))}{cost_of(reply)}", workflow.now())
        if reply.dropped:
            self.timeline.note(f"{step}: {reply.dropped} calls beyond what one turn may ask for were left out")
        self.put(agent.thought(self.state, reply))

    def compacted(self, step: str, cut: Mark, reply: Compacted) -> None:
        """Store the summary of the older turns, and show it; one that cannot be used leaves the turns as they are."""
        unused = compaction.why_unused(self.state, reply)
        cut_or_whole = "a summary that was cut" if ending.is_cut(reply) else f"{reply.turns} turns summed up"
        result = "no summary" if unused else cut_or_whole
        self.timeline.step(step, f"{plain(reply.model)}: {result}{cost_of(reply)}", workflow.now())
        return self.unsummarized(step, unused) if unused else self.put(compaction.compacted(self.state, cut, reply))

    def unsummarized(self, step: str, reason: str) -> None:
        """Store that there is no summary for now: the older turns stay as they are."""
        self.notice(f"{step}: no summary, since {plain(reason, REASON)}: the older turns stay as they are")
        self.put(compaction.without_summary(self.state))

    def notice(self, notice: str) -> None:
        """Add a notice to the timeline and to the run's result."""
        self.account.notice(notice)
        self.timeline.note(notice)

    def show_decision(self, decision: StepDecision, reply: DecisionReply, *, again: bool = False) -> None:
        """Show a person's decision and the reply to it; `again` where the decision was sent before."""
        who = f"{plain(decision.step)} **{plain(decision.by)}**"
        result = plain(describe(decision, reply), REASON)
        self.timeline.step(who, f"sent again; {result}" if again else result, workflow.now())

    def show_due(self, call: RequestedCall, result: str) -> None:
        """Show an action of the approval policy that is due, since nobody has decided."""
        self.timeline.step(f"{call.id} {plain(call.tool)}", result, workflow.now())

    def stray(self, reason: str) -> None:
        """Count a signal that was no decision, and note it if it is one of the first `STRAYS`."""
        self._strays += 1
        if self._state is not None:
            self._state = self._state.model_copy(update={"strays": self._strays})
        if self._strays <= STRAYS:
            self.notice(f"a signal was no decision: {plain(reason, REASON)}")

    def _show_stage(self, call: RequestedCall, before: RequestedCall) -> None:
        name = f"{call.id} {plain(call.tool)}"
        digest = f"digest {(call.binding or '')[:SHOWN_DIGEST]}…"
        match call.stage:
            case CallStage.AWAITING_APPROVAL:
                result = f"**waits for a person's approval**, {digest}"
            case CallStage.UNKNOWN:
                result = f"**nobody knows whether it happened: waits for a person's word**, {digest}"
            case CallStage.ASKING:
                result = f"**waits for a person's answer**, {digest}"
            case CallStage.ANSWERED:
                result = tool_call.ending(call)
            case CallStage.ASKED if before.stage is CallStage.ALLOWED:
                result = "its approval is not recorded: it is asked again"
            case CallStage.ASKED | CallStage.ALLOWED:
                self.timeline.say()  # the decision has a line of its own
                return
        self.timeline.step(name, result, workflow.now())

    def enter(self, phase: AnyPhase) -> None:
        """Begin the next phase.

        The search attribute tells only what a run waits for, or that it works; the timeline shows each phase of work. A
        visibility write costs the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        self._upsert_search_attributes()

    def _show(self) -> None:
        """Update the phase and the search attributes to the new state."""
        phase, self._awaiting = agent.phase_of(self.state)
        if phase is not None and phase is not self.phase:
            self.enter(phase)
        else:
            self._upsert_search_attributes()

    def _upsert_search_attributes(self) -> None:
        labels: list[SearchAttributeUpdate[Any]] = []
        if self._awaiting != self._shown_awaiting:
            self._shown_awaiting = self._awaiting
            labels.append(AWAITING_APPROVAL.value_set(self._awaiting))
        if self.phase is not self._shown_phase and not (self.phase in WORKING and self._shown_phase in WORKING):
            self._shown_phase = self.phase
            labels.append(PHASE.value_set(self.phase))
        if labels:
            workflow.upsert_search_attributes(labels)


def _finding(verdict: Verdict) -> tuple[object, ...]:
    """Return the fields of a verdict that make it differ from others: all but its duration."""
    return verdict.guard, verdict.passed, verdict.action, verdict.reason, verdict.ended
