"""What waits for a person, what a person says about it, and what the run answers."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.text import Text
from perdure.contracts.tools import ToolEffect

REASON = 2000
"""Characters of a reason that are kept."""


class Waiting(StrEnum):
    """What a person is asked."""

    APPROVAL = "approval"
    """May this call be made?"""
    OUTCOME = "outcome"
    """Has this call been made?"""


class Ruling(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    """It may be called, once; with `arguments`, with these instead."""
    DENY = "deny"
    """It may not be called; the model is told the reason."""
    DID_HAPPEN = "did_happen"
    """It happened, with this `result`: it is not called again."""
    DID_NOT_HAPPEN = "did_not_happen"
    """It surely did not happen, and cannot any more: it is called once more."""
    RETRY = "retry"
    """Nobody knows, and twice is better than not at all: it is called once more."""


RULINGS: dict[Waiting, tuple[Ruling, ...]] = {
    Waiting.APPROVAL: (Ruling.APPROVE, Ruling.DENY),
    Waiting.OUTCOME: (Ruling.DID_HAPPEN, Ruling.DID_NOT_HAPPEN, Ruling.RETRY),
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
    """JSON, with its body: exactly what is, or was, to be called."""
    digest: Digest
    """A decision names it: it binds the decision to the tool, its edition, these arguments and the policy."""
    since: AwareDatetime
    reason: str = ""
    """Why nobody knows, where an outcome is asked for."""


class StepDecision(Contract):
    """What a person says about a step that waits."""

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

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.arguments is not None and self.ruling is not Ruling.APPROVE:
            raise ValueError("arguments: they belong to the ruling approve: leave them out")
        if (self.result is not None) != (self.ruling is Ruling.DID_HAPPEN):
            raise ValueError("result: it belongs to the ruling did_happen, and to no other: say what the call returned")
        return self


class Accepted(Contract):
    """The decision holds."""

    kind: Literal["accepted"] = "accepted"
    decision_id: str


class Rejected(Contract):
    """The decision changed nothing."""

    kind: Literal["rejected"] = "rejected"
    decision_id: str
    reason: str


class DecisionReply(Contract):
    """What came of a decision."""

    came: Annotated[Accepted | Rejected, Field(discriminator="kind")]


class Pending(Contract):
    """Everything in a run that waits for a person."""

    steps: tuple[PendingStep, ...] = ()
