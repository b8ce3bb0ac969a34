"""Judges the decisions about one call by the policy of its registered run. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from activities.ports import StepDecisions
from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import CheckedDecision
from perdure.contracts.contract import Digest
from perdure.contracts.runs.registry import ANONYMOUS, RegisteredRun
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import RULINGS, Ruling, StepDecision
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision
from perdure.contracts.tool_calls.tools import ToolSpec
from workflows.state_machines.approvals import WAITING, decider_objection, edited, policy_digest, policy_of, same_person
from workflows.state_machines.tool_call import binding


@dataclass(frozen=True)
class JudgedCall:
    """One call of a registered run, with the tool of its registered spec."""

    run: RegisteredRun
    tool: ToolSpec
    call: RequestedCall

    @classmethod
    def of(
        cls,
        run: RegisteredRun,
        tool: ToolSpec,
        step: str,
        arguments: Text,
        *,
        stage: CallStage,
        unknown_attempt: int | None = None,
    ) -> Self:
        """Return the call of a step, in the stage in which it is judged."""
        call = RequestedCall(
            id=step, tool=tool.name, arguments=arguments.reference(), stage=stage, unknown_attempt=unknown_attempt
        )
        return cls(run, tool, call)

    @property
    def binding(self) -> Digest:
        """The digest that a decision about this call has to name."""
        return binding(self.call, self.tool, self.run.tenant, self.run.run_id)

    @property
    def request(self) -> RecordedDecision:
        """The ledger's entry that the call waits for people."""
        return self._entry(ruling=None, content=self.binding)

    def entry(
        self, decision: StepDecision, identity: CheckedDecision | None, *, lapsed: bool = False
    ) -> RecordedDecision:
        """Return the ledger's entry for a decision."""
        changed = None if decision.arguments is None else edited(decision.arguments)
        return self._entry(
            ruling=decision.ruling,
            decision_id=decision.decision_id,
            content=decision.content,
            by=decision.by,
            verified=identity is not None and identity.verified,
            groups=() if identity is None else identity.groups,
            lapsed=lapsed,
            arguments=(changed or self.call.arguments).digest,
        )

    def escalated(self, entry: RecordedDecision, escalations: int, recorded: StepDecisions) -> RecordedDecision:
        """Return the entry with the run's number of escalations, but no more than are due by the database's clock.

        Their time counts from when people were first asked or, if that is not recorded, from when the run began.
        """
        requested_at = [one.at for one in standing(recorded.entries) if one.ruling is None and one.at is not None]
        since = min(requested_at, default=self.run.registered_at or recorded.now)
        due = sum(step.after <= recorded.now - since for step in policy_of(self.tool).escalate)
        return entry.model_copy(update={"escalations": min(escalations, due)})

    def objection(self, decision: StepDecision) -> str | None:
        """Return why a decision is not about this call; None if it is about exactly this call."""
        if decision.step != self.call.id or decision.digest != self.binding:
            return f"the decision is about another call, or another run, than {self.call.id} is now: look at it again"
        waits = WAITING.get(self.call.stage)
        asks = self.call.stage is CallStage.ASKING
        if waits is None or asks != self.tool.asks or decision.ruling not in RULINGS[waits]:
            return f"{decision.ruling.value} is no answer to what is asked about {self.call.id} of {self.tool.name}"
        return None

    def unheard(self, entry: RecordedDecision) -> str | None:
        """Return why a recorded decision does not count; None if it does."""
        decision = StepDecision.model_construct(
            decision_id=entry.decision_id, step=self.call.id, digest=entry.binding, ruling=entry.ruling, by=entry.by
        )
        identity = CheckedDecision(groups=entry.groups, verified=True) if entry.verified else None
        subject = "" if self.run.subject == ANONYMOUS else self.run.subject
        call = self.call.model_copy(update={"escalations": entry.escalations})
        return decider_objection(call, self.tool, decision, identity, self.run.started_by, subject=subject)

    def unproven(self, entries: Sequence[RecordedDecision]) -> str | None:
        """Return why the call may not be made, by the decisions about its step; None if enough people agreed."""
        valid = standing(entries)
        approvals = [one for one in valid if one.ruling is Ruling.APPROVE and self._is_about_this(one)]
        if any(one.lapsed and self._waited(one) for one in approvals):
            return None
        approvers: list[str] = []
        objection = ""
        for one in approvals:
            why = "" if one.lapsed else self.unheard(one)
            if why is None and not any(same_person(one.by, other) for other in approvers):
                approvers.append(one.by)
            objection = why or objection
        quorum = policy_of(self.tool).quorum
        named = f"{self.call.id} of {self.tool.name}"
        if len(approvers) >= quorum:
            return None
        if approvers:
            return f"{len(approvers)} of the {quorum} people who have to agree to {named} are recorded"
        return objection or self._no_approval(named, entries, valid)

    def _no_approval(self, named: str, entries: Sequence[RecordedDecision], valid: Sequence[RecordedDecision]) -> str:
        """Return why there is no approval of the call."""
        if any(one.ruling is Ruling.APPROVE for one in valid):
            return f"an approval of {named} is recorded for another call only: with other arguments, or too early"
        if len(valid) < len(entries):
            return f"{named} was denied, and nobody has agreed to it since"
        return f"no approval of {named} is recorded in this run"

    def _is_about_this(self, entry: RecordedDecision) -> bool:
        return (entry.tool_digest, entry.arguments, entry.policy) == (
            *(self.tool.digest, self.call.arguments.digest, policy_digest(self.tool)),
        )

    def _waited(self, entry: RecordedDecision) -> bool:
        """Return whether people had been asked for long enough when the policy approved the call instead."""
        policy = policy_of(self.tool)
        if policy.timeout is None or policy.on_timeout != "approve" or entry.at is None or entry.asked_at is None:
            return False
        return entry.at - entry.asked_at >= policy.timeout

    def _entry(self, **fields: Any) -> RecordedDecision:
        call = {
            "binding": self.binding,
            "tool": self.tool.name,
            "tool_digest": self.tool.digest,
            "arguments": self.call.arguments.digest,
            "policy": policy_digest(self.tool),
        }
        return RecordedDecision.model_validate({**call, **fields})


def standing(entries: Sequence[RecordedDecision]) -> tuple[RecordedDecision, ...]:
    """Return the entries since the last denial: it takes back every approval before it, also of other arguments."""
    last = max((number for number, one in enumerate(entries) if one.ruling is Ruling.DENY), default=-1)
    return tuple(entries[last + 1 :])
