"""What waits for a person, what a person says about it, and what the run answers."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator

from perdure.contracts.contract import BadInput, Contract, Digest, Variant
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import Trust, Voice
from perdure.contracts.tool_calls.tools import ToolEffect

REASON = 2000
"""Characters of a reason that are kept."""

PROBLEM_SHOWN = 600
"""Characters of what is wrong with a decision that are told."""

EDITED = 64 * 1024
"""Bytes of edited arguments, of a result or of an answer, as JSON."""


class Waiting(StrEnum):
    """What a person is asked."""

    APPROVAL = "approval"
    """May this call be made?"""
    OUTCOME = "outcome"
    """Has this call been made?"""
    ANSWER = "answer"
    """What the agent wants to know."""


class Ruling(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    """It may be called, once; with `arguments`, with these instead."""
    DENY = "deny"
    """It may not be called, or the question is not answered; the model is told the reason."""
    DID_HAPPEN = "did_happen"
    """It happened, with this `result`: it is not called again."""
    DID_NOT_HAPPEN = "did_not_happen"
    """It surely did not happen, and cannot any more: it is called once more."""
    RETRY = "retry"
    """Nobody knows, and twice is better than not at all: it is called once more."""
    ANSWER = "answer"
    """This `answer` is what the agent wants to know."""


RULINGS: dict[Waiting, tuple[Ruling, ...]] = {
    Waiting.APPROVAL: (Ruling.APPROVE, Ruling.DENY),
    Waiting.OUTCOME: (Ruling.DID_HAPPEN, Ruling.DID_NOT_HAPPEN, Ruling.RETRY),
    Waiting.ANSWER: (Ruling.ANSWER, Ruling.DENY),
}
"""What can be said to what is asked."""


class PendingStep(Contract):
    """A step that waits for a person."""

    step: str
    """Its name in the run, `call-3-1`."""
    waiting: Waiting
    tool: str
    effect: ToolEffect
    arguments: Text
    """JSON, exactly what is, or was, to be called: with its body below 64 KiB, by its digest alone from there on."""
    digest: Digest
    """A decision names it: it binds the decision to the run, the tool, its edition, these arguments and the policy."""
    run: str = ""
    """The first run id of the run that the digest names: another run of the same id has another one."""
    since: AwareDatetime
    reason: str = ""
    """Why nobody knows, where an outcome is asked for."""
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Who may decide now; without names and groups anybody may."""
    trust: Trust = Trust.NAMESPACE
    barred: str = ""
    """Who may not, whatever else is said: they started the run."""
    quorum: int = 1
    """How many people have to say yes."""
    voices: tuple[Voice, ...] = ()
    """Who has, to exactly this."""
    until: AwareDatetime | None = None
    """When it is decided without them; None for never."""
    on_timeout: Ruling | None = None
    """What is decided then."""
    reminders: int = 0
    """How often it was brought up again."""
    escalations: int = 0
    """How often others were allowed to decide as well."""

    @property
    def unseen(self) -> int:
        """Bytes of arguments that are too large to be shown: a yes would be to their digest alone. 0 where all are."""
        return self.arguments.tokens if self.arguments.body is None else 0


class StepDecision(Contract):
    """What a person says about a step that waits."""

    spelled_out: ClassVar[bool] = True

    decision_id: str = Field(min_length=1, max_length=200)
    """The sender's own name for it: sent again, it changes nothing and is answered as before."""
    step: str = Field(min_length=1, max_length=200)
    digest: Digest
    """Of what the person saw: where the step is another one by now, the decision is rejected."""
    ruling: Ruling
    by: str = Field(min_length=1, max_length=200)
    """Who says so."""
    reason: str = ""
    arguments: dict[str, JsonValue] | None = None
    """Other arguments than the model's, for an approval."""
    result: str | None = None
    """What the call returned, where it did happen."""
    answer: JsonValue | None = None
    """What the agent wanted to know, in the form that it asked for."""
    credential: str | None = Field(default=None, max_length=16 * 1024, repr=False)
    """A signed JWT that says that `by` says exactly this in this run; `contracts.credentials` makes its claims."""

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
        """SHA-256 of all that it says: its fields but the credential as JSON, without nulls, sorted and compact."""
        said = self.model_dump(mode="json", exclude={"credential"}, exclude_none=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def bare(self) -> Self:
        """The same without its credential, for whatever keeps it."""
        return self.model_copy(update={"credential": None})


class Accepted(Variant):
    """The decision holds."""

    kind: Literal["accepted"] = "accepted"
    decision_id: str
    verified: bool = False
    """Whether a credential says who spoke."""
    missing: int = 0
    """How many more people have to say yes before anything is called."""


class Rejected(Variant):
    """The decision changed nothing."""

    kind: Literal["rejected"] = "rejected"
    decision_id: str
    reason: str


class DecisionReply(Contract):
    """What came of a decision."""

    spelled_out: ClassVar[bool] = True

    came: Annotated[Accepted | Rejected, Field(discriminator="kind")]


class DecisionRecord(Contract):
    """A decision that a run has answered: the same one again is answered the same."""

    decision_id: str
    content: Digest
    reply: DecisionReply


class Pending(Contract):
    """Everything in a run that waits for a person."""

    spelled_out: ClassVar[bool] = True

    steps: tuple[PendingStep, ...] = ()


class InboxEntry(Contract):
    """One step that waits, and whose it is."""

    business_id: str
    tenant: str
    agent: str
    step: PendingStep | None = None
    """None where something waits in the run and its worker does not say what."""
    problem: str = ""
    """Why it does not; empty where it does."""


def read_decision(said: Any) -> StepDecision:
    """The decision that a payload holds. Raises `BadInput`, in whose words no value stands: one may be a credential."""
    if not isinstance(said, dict):
        kind = type(said).__name__
        raise BadInput(f"a decision is one JSON object with decision_id, step, digest, ruling and by: this is a {kind}")
    try:
        return StepDecision.model_validate(said, strict=False)
    except ValidationError as error:
        found = (
            f"{'.'.join(str(step) for step in problem['loc']) or 'decision'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise BadInput("; ".join(found)[:PROBLEM_SHOWN]) from None
