"""Decisions: the step that waits for a person, the person's decision, and the run's reply."""

import hashlib
import json
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator

from perdure.contracts.contract import BadInput, Contract, Digest, EdgeType, Variant
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Trust, Voice
from perdure.contracts.tool_calls.briefing import Briefing, Excerpt
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.contracts.tool_calls.tools import ToolEffect

REASON = 2000
"""The most characters of a reason that are stored."""

PROBLEM_SHOWN = 600
"""The most characters of an error about an invalid decision."""

EDITED = 64 * 1024
"""The largest edited arguments, result or answer, in bytes of JSON."""


class Waiting(StrEnum):
    """The question that a person is asked."""

    APPROVAL = "approval"
    """May this call be made?"""
    OUTCOME = "outcome"
    """Has this call been made?"""
    ANSWER = "answer"
    """What does the agent want to know?"""


class Ruling(StrEnum):
    """The ruling of a person."""

    APPROVE = "approve"
    """The call may be made, once. If `arguments` are given, it is made with these."""
    DENY = "deny"
    """The call may not be made, or the question is not answered. The model is shown the reason."""
    DID_HAPPEN = "did_happen"
    """The call happened, with this `result`: it is not made again."""
    DID_NOT_HAPPEN = "did_not_happen"
    """The call surely did not happen, and cannot happen any more: it is made once more."""
    RETRY = "retry"
    """It is unknown whether the call happened, and twice is better than not at all: it is made once more."""
    ANSWER = "answer"
    """The `answer` is what the agent wants to know."""


RULINGS: dict[Waiting, tuple[Ruling, ...]] = {
    Waiting.APPROVAL: (Ruling.APPROVE, Ruling.DENY),
    Waiting.OUTCOME: (Ruling.DID_HAPPEN, Ruling.DID_NOT_HAPPEN, Ruling.RETRY),
    Waiting.ANSWER: (Ruling.ANSWER, Ruling.DENY),
}
"""The rulings that are possible for each question."""


class EarlierDecision(Contract):
    """A decision that counted, of a person or of the policy, for those who decide after it."""

    step: str
    tool: str
    ruling: Ruling
    by: str
    verified: bool = False
    """Whether a credential proves who decided."""
    at: AwareDatetime
    reason: str = ""
    """The first characters of the reason; empty for none."""
    edited: bool = False
    """Whether the call was approved with other arguments than the model's."""


class PendingStep(Contract):
    """A step of a run that waits for a person."""

    step: str
    """The step's name in the run, `call-3-1`."""
    waiting: Waiting
    """The question for the person."""
    tool: str
    """The tool's name."""
    effect: ToolEffect
    """What a call of the tool does to the world."""
    arguments: Text
    """The arguments of the call, as JSON: with the body below 64 KiB, otherwise by digest alone."""
    digest: Digest
    """The digest that a decision has to name. It binds the decision to the run, the tool, its edition, these arguments
    and the policy."""
    run: str = ""
    """The first run id of the run. Another run with the same business id has another one."""
    since: AwareDatetime
    """The moment when the step began to wait."""
    reason: str = ""
    """Why it is unknown whether the call happened; empty for other questions."""
    names: tuple[str, ...] = ()
    """People who may decide now."""
    groups: tuple[str, ...] = ()
    """Groups whose members may decide now. With neither names nor groups, anybody may."""
    trust: Trust = Trust.NAMESPACE
    """The kind of decision that counts."""
    barred: str = ""
    """The person who may not decide, because they started the run; empty for nobody."""
    quorum: int = 1
    """How many different people have to approve."""
    voices: tuple[Voice, ...] = ()
    """The approvals so far, of exactly this step."""
    until: AwareDatetime | None = None
    """The moment at which the policy decides without people; None for never."""
    on_timeout: Ruling | None = None
    """The policy's ruling at that moment; None where it never decides."""
    reminders: int = 0
    """The number of reminders so far."""
    escalations: int = 0
    """The number of escalations so far."""
    starter: str = ""
    """The person who started the run; empty where nobody said so."""
    starter_verified: bool = False
    """Whether a token proved who started it; otherwise the name is only what the starter stated."""
    briefing: Briefing | None = None
    """The task, what the model had read, and its words; None in a run that began before there were briefings."""
    decided: tuple[EarlierDecision, ...] = ()
    """The newest decisions that counted in this run, the oldest of them first."""

    @property
    def unseen(self) -> int:
        """The size in bytes of arguments that are too large to be shown; 0 where they are shown.

        An approval of such arguments approves only their digest.
        """
        return self.arguments.tokens if self.arguments.body is None else 0

    def arguments_shown(self, most: int) -> Excerpt:
        """Return the first bytes of the arguments, laid out for people. Nothing that a run does depends on it."""
        body = self.arguments.body or ""
        with suppress(ValueError, RecursionError):  # what is no JSON is shown as it is
            body = json.dumps(json.loads(body), indent=1, ensure_ascii=False, sort_keys=True)
        # JSON may name half of a surrogate pair, which no bytes can hold.
        whole = body.encode(errors="backslashreplace").decode()
        return Excerpt(text=whole.encode()[:most].decode(errors="ignore"), length=len(whole))


class StepDecision(Contract, metaclass=EdgeType):
    """A person's decision about a step that waits."""

    spelled_out: ClassVar[bool] = True
    shows: ClassVar[tuple[str, ...]] = ("decision_id", "step", "by")

    decision_id: str = Field(min_length=1, max_length=200)
    """The sender's own id for the decision. Sent again, it changes nothing and gets the same reply."""
    step: str = Field(min_length=1, max_length=200)
    """The step's name in the run."""
    digest: Digest
    """The `PendingStep.digest` that the person saw. The decision is rejected where the step has another one by now."""
    ruling: Ruling
    by: str = Field(min_length=1, max_length=200)
    """The person who decides."""
    reason: str = ""
    arguments: dict[str, JsonValue] | None = None
    """Arguments in the place of the model's, only for an approval; None for the model's own."""
    result: str | None = None
    """The text that the call returned, only for `did_happen`."""
    answer: JsonValue | None = None
    """The answer to the agent's question, in the form that it asked for; only for the ruling `answer`."""
    credential: str | None = Field(default=None, max_length=16 * 1024, repr=False)
    """A signed JWT which proves that `by` decides exactly this in this run. `contracts.tool_calls.credentials` makes
    its claims. None for an unverified decision."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.arguments is not None and self.ruling is not Ruling.APPROVE:
            raise ValueError("arguments: they belong to the ruling approve: leave them out")
        if (self.result is not None) != (self.ruling is Ruling.DID_HAPPEN):
            raise ValueError("result: it belongs to the ruling did_happen, and to no other: say what the call returned")
        if (self.answer is not None) != (self.ruling is Ruling.ANSWER):
            raise ValueError("answer: it belongs to the ruling answer, and to no other: say what was asked for")
        return self

    @property
    def content(self) -> Digest:
        """The SHA-256 of the decision without its credential: JSON without nulls, sorted and compact."""
        fields = self.model_dump(mode="json", exclude={"credential"}, exclude_none=True)
        return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def bare(self) -> Self:
        """Return the decision without its credential, to be stored."""
        return self.model_copy(update={"credential": None})


class Accepted(Variant):
    """The decision counts."""

    kind: Literal["accepted"] = "accepted"
    decision_id: str
    verified: bool = False
    """Whether a credential proves who decided."""
    missing: int = 0
    """How many more people have to approve before anything is called."""


class Rejected(Variant):
    """The decision does not count, and changed nothing."""

    kind: Literal["rejected"] = "rejected"
    decision_id: str
    reason: str
    """Why it does not count, and what to do."""
    cause: RejectionCause | None = None
    """The kind of reason; None from runs that began before there were kinds."""


class DecisionReply(Contract):
    """The run's reply to a decision."""

    spelled_out: ClassVar[bool] = True

    came: Annotated[Accepted | Rejected, Field(discriminator="kind")]
    """Whether the decision counts."""


class DecisionRecord(Contract):
    """A decision that a run has answered. The same decision again gets the same reply."""

    decision_id: str
    content: Digest
    """The decision's `content`: tells a repeated decision from another one with the same id."""
    reply: DecisionReply


class Pending(Contract):
    """All steps of a run that wait for a person."""

    spelled_out: ClassVar[bool] = True

    steps: tuple[PendingStep, ...] = ()


class InboxEntry(Contract):
    """A step that waits, and the run that it belongs to."""

    business_id: str
    tenant: str
    agent: str
    """The agent that runs."""
    step: PendingStep | None = None
    """The step; None where only `problem` is known."""
    problem: str = ""
    """Why the step is not known: no worker answers, or the run has failed; empty where it is known."""


def read_decision(payload: Any) -> StepDecision:
    """Return the decision in a payload. Raises `BadInput`, whose message holds no value: one may be a credential."""
    if not isinstance(payload, dict):
        kind = type(payload).__name__
        raise BadInput(f"a decision is one JSON object with decision_id, step, digest, ruling and by: this is a {kind}")
    try:
        return StepDecision.model_validate(payload, strict=False)
    except ValidationError as error:
        problems = (
            f"{'.'.join(str(step) for step in problem['loc']) or 'decision'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise BadInput("; ".join(problems)[:PROBLEM_SHOWN]) from None
