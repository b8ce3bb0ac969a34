"""What the policy of a registered run makes of what was said about one of its calls. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from activities.ports import SaidOfStep
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
    """One call of a registered run, as its registered spec has it."""

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
        """The call of a step, in the stage in which it is judged."""
        call = RequestedCall(
            id=step, tool=tool.name, arguments=arguments.reference(), stage=stage, unknown_attempt=unknown_attempt
        )
        return cls(run, tool, call)

    @property
    def binding(self) -> Digest:
        """What a decision about it has to name."""
        return binding(self.call, self.tool, self.run.tenant, self.run.run_id)

    @property
    def asked(self) -> RecordedDecision:
        """That it waits."""
        return self._said(ruling=None, content=self.binding)

    def entry(self, decision: StepDecision, whose: CheckedDecision | None, *, lapsed: bool = False) -> RecordedDecision:
        """What is written down of a decision."""
        changed = None if decision.arguments is None else edited(decision.arguments)
        return self._said(
            ruling=decision.ruling,
            decision_id=decision.decision_id,
            content=decision.content,
            by=decision.by,
            verified=whose is not None and whose.verified,
            groups=() if whose is None else whose.groups,
            lapsed=lapsed,
            arguments=(changed or self.call.arguments).digest,
        )

    def escalated(self, entry: RecordedDecision, escalations: int, said: SaidOfStep) -> RecordedDecision:
        """With as many escalations as the run says, and no more than are due by the database's clock.

        They are due from when people were first asked; where no such moment is recorded, from when the run began.
        """
        asked = [one.at for one in standing(said.entries) if one.ruling is None and one.at is not None]
        since = min(asked, default=self.run.registered_at or said.now)
        due = sum(step.after <= said.now - since for step in policy_of(self.tool).escalate)
        return entry.model_copy(update={"escalations": min(escalations, due)})

    def objection(self, decision: StepDecision) -> str | None:
        """Why a decision is about something else than this call; None where it is about exactly this."""
        if decision.step != self.call.id or decision.digest != self.binding:
            return f"the decision is about another call, or another run, than {self.call.id} is now: look at it again"
        waits = WAITING.get(self.call.stage)
        asks = self.call.stage is CallStage.ASKING
        if waits is None or asks != self.tool.asks or decision.ruling not in RULINGS[waits]:
            return f"{decision.ruling.value} is no answer to what is asked about {self.call.id} of {self.tool.name}"
        return None

    def unheard(self, entry: RecordedDecision) -> str | None:
        """Why somebody's recorded word does not count; None where it does."""
        decision = StepDecision.model_construct(
            decision_id=entry.decision_id, step=self.call.id, digest=entry.binding, ruling=entry.ruling, by=entry.by
        )
        whose = CheckedDecision(groups=entry.groups, verified=True) if entry.verified else None
        subject = "" if self.run.subject == ANONYMOUS else self.run.subject
        call = self.call.model_copy(update={"escalations": entry.escalations})
        return decider_objection(call, self.tool, decision, whose, self.run.started_by, subject=subject)

    def unproven(self, entries: Sequence[RecordedDecision]) -> str | None:
        """Why the call may not be made, by all that was said about its step; None where as many as needed agreed."""
        since = standing(entries)
        exactly = [one for one in since if one.ruling is Ruling.APPROVE and self._is_about_this(one)]
        if any(one.lapsed and self._waited(one) for one in exactly):
            return None
        voices: list[str] = []
        silent = ""
        for one in exactly:
            why = "" if one.lapsed else self.unheard(one)
            if why is None and not any(same_person(one.by, voice) for voice in voices):
                voices.append(one.by)
            silent = why or silent
        quorum = policy_of(self.tool).quorum
        named = f"{self.call.id} of {self.tool.name}"
        if len(voices) >= quorum:
            return None
        if voices:
            return f"{len(voices)} of the {quorum} people who have to agree to {named} are recorded"
        return silent or self._nobody(named, entries, since)

    def _nobody(self, named: str, entries: Sequence[RecordedDecision], since: Sequence[RecordedDecision]) -> str:
        """Why nobody's yes is there."""
        if any(one.ruling is Ruling.APPROVE for one in since):
            return f"an approval of {named} is recorded for another call only: with other arguments, or too early"
        if len(since) < len(entries):
            return f"{named} was denied, and nobody has agreed to it since"
        return f"no approval of {named} is recorded in this run"

    def _is_about_this(self, entry: RecordedDecision) -> bool:
        return (entry.tool_digest, entry.arguments, entry.policy) == (
            *(self.tool.digest, self.call.arguments.digest, policy_digest(self.tool)),
        )

    def _waited(self, entry: RecordedDecision) -> bool:
        """Whether people had been asked for long enough when the policy agreed without them."""
        policy = policy_of(self.tool)
        if policy.timeout is None or policy.on_timeout != "approve" or entry.at is None or entry.asked_at is None:
            return False
        return entry.at - entry.asked_at >= policy.timeout

    def _said(self, **fields: Any) -> RecordedDecision:
        named = {
            "binding": self.binding,
            "tool": self.tool.name,
            "tool_digest": self.tool.digest,
            "arguments": self.call.arguments.digest,
            "policy": policy_digest(self.tool),
        }
        return RecordedDecision.model_validate({**named, **fields})


def standing(entries: Sequence[RecordedDecision]) -> tuple[RecordedDecision, ...]:
    """What was said since the last no: a no takes back every yes before it, also one to other arguments."""
    last = max((number for number, one in enumerate(entries) if one.ruling is Ruling.DENY), default=-1)
    return tuple(entries[last + 1 :])
