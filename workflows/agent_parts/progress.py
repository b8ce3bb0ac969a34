"""An agent's run as it stands: its state, changed in one place, and what operators see of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, assert_never

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from perdure.contracts.agents.agent import AgentPhase, AgentRun, CallStage, RequestedCall, Shortfall
from perdure.contracts.agents.compaction import Compacted, Mark
from perdure.contracts.agents.steps import Thought
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.continued import HandOver
from perdure.contracts.runs.run import Abstained, AnyPhase, Outcome, Refused
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL, GUARD_TRIGGERED, PHASE
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.decisions import DecisionReply, StepDecision
from workflows.agent_parts.binding import restored, with_call
from workflows.run.headline import REASON, named, now, plain
from workflows.run.paid import Account
from workflows.run.progress import Progress
from workflows.state_machines import agent, compaction, tool_call
from workflows.state_machines.approvals import WAITING, Due, Escalate, Lapse, Remind, lasted
from workflows.state_machines.decisions import said
from workflows.state_machines.purchase import OverBudget

STRAYS = 20
"""Signals that were no decision and are told of, each with what was wrong."""

VERDICTS = 500
"""Verdicts that differ, and that are kept for the run's result: the history has them all."""

WORKING = (AgentPhase.THINKING, AgentPhase.COMPACTING, AgentPhase.ACTING, AgentPhase.CHECKING)
"""The phases of a run that waits for nobody. They follow each other many times."""

SHOWN_DIGEST = 12
"""Characters of a digest that the timeline shows: the whole would push the table off the page. A decision needs it, and
the query `pending` and the inbox tell it."""


class AgentProgress(Progress):
    """The progress of an agent's run."""

    def __init__(self) -> None:
        super().__init__(AgentPhase.PINNING, summed=True)
        self._state: AgentRun | None = None
        self._strays = 0
        self._awaiting = False
        self._found_awaiting = False
        self._found_guards: list[str] = []
        self._shown_phase = self.phase
        """The phase by which the run is found."""
        self._execution = 1
        """Which execution of its run this is."""
        self.paused: str | None = None
        """Who paused the run and why, also before anything is pinned."""

    @property
    def state(self) -> AgentRun:
        """All that is known of the run. Raises `LookupError` before anything is pinned."""
        if self._state is None:
            raise LookupError("nothing is pinned yet")
        return self._state

    @property
    def known(self) -> AgentRun | None:
        """The same; None before anything is pinned."""
        return self._state

    def restore(self, handed: HandOver) -> None:
        """An earlier execution of the run has come this far. What it is found by, the server has kept."""
        run, given = handed.run, workflow.info().typed_search_attributes
        self.phase = handed.phase
        self._shown_phase = AgentPhase(given.get(PHASE, handed.phase.value))
        self._found_awaiting = given.get(AWAITING_APPROVAL, default=False)
        self._found_guards = list(given.get(GUARD_TRIGGERED, default=()))
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
        """Everything that is known, for the run's next execution."""
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
        """This execution ends here: its page says where the run is now."""
        self.ending = (
            f"**continued** as execution {self._execution + 1} of this run, since the history was long: "
            "how it is now stands on the page of the latest execution."
        )
        self.timeline.say()

    def put(self, state: AgentRun) -> None:
        """The run is in this state now."""
        first = self._state is None
        self._state = state.model_copy(update={"paused": self.paused})
        self._show()
        if first:
            self.timeline.say()  # until its task is screened nothing else tells what is pinned

    def headline(self) -> Iterator[str]:
        """What the run does now, what it asks of people, and what it has spent."""
        if self.ending or self._state is None:
            yield self.ending or f"**{self.phase.value}**"
        else:
            phase, since = AgentPhase(self.phase), self.timeline.since
            yield from now(self._state, phase, since, named(workflow.info().workflow_id))
        yield from () if self.ending else self.outages.lines()
        starter = "" if self._state is None else plain(self._state.started_by)
        whose = f" Started by **{starter}**." if starter else ""
        yield self.spent() + whose

    def why(self, outcome: Outcome) -> str:
        """An agent's guards say why it abstained or was refused: their reasons never hold the checked text."""
        return plain(outcome.reason, REASON) if isinstance(outcome, Abstained | Refused) else super().why(outcome)

    def _keep(self, verdicts: tuple[Verdict, ...]) -> None:
        """Each that says something else once: a long run has the same said of thousands of calls."""
        known = dict.fromkeys(map(_said, self.verdicts))
        for verdict in verdicts:
            if _said(verdict) not in known and len(self.verdicts) < VERDICTS:
                known[_said(verdict)] = None
                self.verdicts += (verdict,)

    def _let_guards_be_found(self) -> None:
        """Each guard once, and only where there is another one: the server bounds a list, and a write has its price."""
        triggered = sorted(dict.fromkeys(verdict.guard for verdict in self.verdicts if not verdict.passed))
        if triggered != self._found_guards:
            self._found_guards = triggered
            workflow.upsert_search_attributes([GUARD_TRIGGERED.value_set(triggered)])

    def last_labels(self, *, waits: bool = False) -> list[SearchAttributeUpdate[Any]]:
        """A run that was cancelled with a call of unknown outcome waits for nobody any more; one that failed does."""
        return [AWAITING_APPROVAL.value_set(waits)] if waits != self._found_awaiting else []

    def wrote(self) -> bool:
        return self._state is not None and self._state.wrote

    def fall_short(self, over: OverBudget) -> None:
        """The budget, or the tenant's day, does not cover what would come next: the run ends by it."""
        short = Shortfall(limit=over.limit, needed=over.needed, window=over.window)
        self.put(self.state.model_copy(update={"short": short}))

    def put_call(self, call: RequestedCall) -> None:
        """One of its calls is in this state now."""
        before = self.state.call(call.id)
        self.put(with_call(self.state, call))
        tried = (call.attempts, call.tries) == (before.attempts, before.tries)
        if call.stage is not before.stage:
            self._tell(self.state.call(call.id), before)
        elif call.failure and tried and call.stage not in WAITING:
            failed = f"attempt {call.attempts} told nothing: {plain(call.failure, REASON)}"
            self.timeline.step(f"{call.id} {plain(call.tool)}", failed, workflow.now())
        else:
            self.timeline.say()

    def _began(self) -> datetime:
        """With the run: what is asked while it is pinned splits its first task, and a replay then has another now."""
        return workflow.info().workflow_start_time

    def hold(self, who: str | None, notice: str) -> None:
        """Hold the run, or with None let it go on."""
        self.paused = who
        self.timeline.note(plain(notice))
        if self._state is not None:
            self.put(self._state)

    def thought(self, step: str, reply: Thought) -> None:
        """The model has chosen."""
        asked = (
            ", ".join(call.tool for call in reply.calls) if reply.calls else "an answer" if reply.answer else "nothing"
        )
        charge = reply.charge
        cost = "" if charge is None else f"; {charge.input_tokens} + {charge.output_tokens} tokens"
        self.timeline.step(step, f"{plain(reply.model)}: {plain(asked)}{cost}", workflow.now())
        if reply.dropped:
            self.timeline.note(f"{step}: {reply.dropped} calls beyond what one turn may ask for were left out")
        self.put(agent.thought(self.state, reply))

    def compacted(self, step: str, cut: Mark, reply: Compacted) -> None:
        """The older turns are summed up, or nothing came of it."""
        summed = "no summary" if reply.empty else f"{reply.turns} turns summed up"
        charge = reply.charge
        cost = "" if charge is None else f"; {charge.input_tokens} + {charge.output_tokens} tokens"
        self.timeline.step(step, f"{plain(reply.model)}: {summed}{cost}", workflow.now())
        if reply.empty:
            self.notice(f"{step}: the model wrote no summary: the older turns stay as they are")
        self.put(compaction.compacted(self.state, cut, reply))

    def notice(self, notice: str) -> None:
        """A reader of the run, and of its result, should know this."""
        self.account.notice(notice)
        self.timeline.note(notice)

    def decided(self, decision: StepDecision, reply: DecisionReply, *, again: bool = False) -> None:
        """A person has said something, and was answered."""
        who = f"{plain(decision.step)} **{plain(decision.by)}**"
        found = plain(said(decision, reply), REASON)
        self.timeline.step(who, f"sent again; {found}" if again else found, workflow.now())

    def fell_due(self, call: RequestedCall, due: Due, policy: ApprovalPolicy) -> None:
        """Nobody has said anything for so long."""
        match due:
            case Remind():
                found = "**still waits for a person**"
            case Escalate():
                step = policy.escalate[call.escalations]
                found = f"**{plain(', '.join((*step.names, *step.groups)))} may decide too**"
            case Lapse():
                ruling = policy.on_timeout if call.stage is CallStage.AWAITING_APPROVAL else "deny"
                found = f"nobody has spoken within {lasted(policy.timeout or timedelta(0))}: {ruling}"
            case never:
                assert_never(never)
        self.timeline.step(f"{call.id} {plain(call.tool)}", found, workflow.now())

    def stray(self, reason: str) -> None:
        """A signal was no decision. Of many, the first are told one by one."""
        count = self._strays + 1
        self._strays = count
        if self._state is not None:
            self._state = self._state.model_copy(update={"strays": count})
        if count <= STRAYS:
            self.notice(f"a signal was no decision: {plain(reason, REASON)}")

    def _tell(self, call: RequestedCall, before: RequestedCall) -> None:
        name = f"{call.id} {plain(call.tool)}"
        digest = f"digest {(call.binding or '')[:SHOWN_DIGEST]}…"
        match call.stage:
            case CallStage.AWAITING_APPROVAL:
                found = f"**waits for a person's approval**, {digest}"
            case CallStage.UNKNOWN:
                found = f"**nobody knows whether it happened: waits for a person's word**, {digest}"
            case CallStage.ASKING:
                found = f"**waits for a person's answer**, {digest}"
            case CallStage.ANSWERED:
                found = tool_call.told(call)
            case CallStage.ASKED if before.stage is CallStage.ALLOWED:
                found = "its approval is not recorded: it is asked again"
            case CallStage.ASKED | CallStage.ALLOWED:
                self.timeline.say()  # who allowed it has a line of their own
                return
        self.timeline.step(name, found, workflow.now())

    def enter(self, phase: AnyPhase) -> None:
        """Go on to the next phase.

        A search finds what a run waits for, or that it works; which tool or thought it is at, the timeline shows: a
        visibility write costs the server as much as an activity.
        """
        self.phase = phase
        self.timeline.enter(phase, workflow.now())
        self._upsert_search_attributes()

    def _show(self) -> None:
        """Let what operators see follow the state."""
        phase, self._awaiting = agent.phase_of(self.state)
        if phase is not None and phase is not self.phase:
            self.enter(phase)
        else:
            self._upsert_search_attributes()

    def _upsert_search_attributes(self) -> None:
        labels: list[SearchAttributeUpdate[Any]] = []
        if self._awaiting != self._found_awaiting:
            self._found_awaiting = self._awaiting
            labels.append(AWAITING_APPROVAL.value_set(self._awaiting))
        if self.phase is not self._shown_phase and not (self.phase in WORKING and self._shown_phase in WORKING):
            self._shown_phase = self.phase
            labels.append(PHASE.value_set(self.phase))
        if labels:
            workflow.upsert_search_attributes(labels)


def _said(verdict: Verdict) -> tuple[object, ...]:
    """What a verdict says, whatever time it took."""
    return verdict.guard, verdict.passed, verdict.action, verdict.reason, verdict.ended
