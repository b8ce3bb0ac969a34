"""The ledger of tool calls: which calls were intended, their outcomes, and decisions about unknown outcomes."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Contract, Digest, Variant
from perdure.contracts.text import Text


class CallPhase(StrEnum):
    """The phase of a tool call."""

    INTENDED = "intended"
    """An attempt was allowed to call, and its outcome is still expected."""
    UNKNOWN = "unknown"
    """An attempt was allowed to call, and it is unknown whether it did: the call may have happened."""
    CLEARED = "cleared"
    """The call is known not to have happened, or a person accepts the risk: the next attempt may call, and no other."""
    DONE = "done"
    """An outcome is recorded, and stays."""


class IntendedCall(Contract):
    """The call that is intended. It is the same for every attempt under one key."""

    tool: str = Field(min_length=1, max_length=200)
    """The tool's name."""
    tool_digest: Digest
    """The edition of the tool that the run has pinned."""
    arguments_digest: Digest
    repeatable: bool = False
    """Whether a second call with the same key changes nothing more. Otherwise it is called at most once."""


class Succeeded(Variant):
    """The call happened."""

    kind: Literal["succeeded"] = "succeeded"
    result: Text
    """The text that the tool returned. A body is stored with the outcome; the ledger returns the digest alone."""


class Failed(Variant):
    """The call failed."""

    kind: Literal["failed"] = "failed"
    reason: str = Field(max_length=2000)
    did_not_happen: bool
    """Whether the call surely did not happen. Where this is not sure, the outcome is unknown, whatever the reason."""
    may_retry: bool = False
    """Only with `did_not_happen`: whether the next attempt may call. Otherwise this is the call's outcome."""

    @model_validator(mode="after")
    def _what_may_have_happened_is_not_retried(self) -> Self:
        if self.may_retry and not self.did_not_happen:
            raise ValueError("may_retry needs did_not_happen: what may have happened is not called again")
        return self


ToolOutcome = Annotated[Succeeded | Failed, Field(discriminator="kind")]
"""The outcome that an attempt reports; `kind` says which."""


class Word(StrEnum):
    """The content of a decision about a call whose outcome is unknown."""

    DID_HAPPEN = "did_happen"
    """The call happened, with this result: it is not made again."""
    DID_NOT_HAPPEN = "did_not_happen"
    """The call surely did not happen, and cannot happen any more: one new attempt may call."""
    RETRY = "retry"
    """It is unknown whether the call happened, and twice is better than not at all: one new attempt may call."""


class Source(StrEnum):
    """The source of a decision."""

    PERSON = "person"
    """A person, who is responsible for it."""
    RECONCILE = "reconcile"
    """The tool's own `reconcile`, which asked the other system."""


class Decision(Contract):
    """A decision about a call whose outcome is unknown."""

    decision_id: str = Field(min_length=1, max_length=200)
    """The sender's own id for the decision. Sent again, it changes nothing and gets the same reply."""
    attempt: int = Field(ge=1)
    """The attempt whose outcome is unknown, as the sender saw it."""
    word: Word
    source: Source = Source.PERSON
    by: str = Field(min_length=1, max_length=200)
    """The name of the person or of the tool that decides."""
    reason: str = Field(default="", max_length=2000)
    result: Text | None = None
    """The text that the call returned; None where it did not happen."""

    @model_validator(mode="after")
    def _result_and_risk(self) -> Self:
        if (self.result is not None) != (self.word is Word.DID_HAPPEN):
            raise ValueError("result belongs to did_happen, and to nothing else: send what the tool returned")
        if self.source is Source.RECONCILE and self.word is Word.RETRY:
            raise ValueError("only a person may take the risk of a retry: reconcile says what it knows")
        return self


class Refusal(StrEnum):
    """The reason why a decision was refused."""

    NEVER_INTENDED = "never_intended"
    """No attempt has this key."""
    IN_FLIGHT = "in_flight"
    """An attempt was allowed to call, and its outcome is still expected."""
    OUTCOME_CAME_FIRST = "outcome_came_first"
    """An attempt has reported its outcome, perhaps late: there is nothing to decide."""
    DECIDED_ALREADY = "decided_already"
    """Another decision came first."""
    MAY_CALL_ALREADY = "may_call_already"
    """The call is known not to have happened, or somebody accepted the risk: the next attempt may call already."""
    ANOTHER_ATTEMPT = "another_attempt"
    """The unknown outcome belongs to another attempt than the one that the sender saw."""
    ID_TAKEN = "id_taken"
    """Another decision about this call has the same id."""


class Happening(StrEnum):
    """The kind of a ledger entry."""

    INTENDED = "intended"
    """An attempt was allowed to call."""
    MISSED = "missed"
    """An attempt found an intent without an outcome, and was not allowed to call."""
    TOLD = "told"
    """An attempt reported its outcome."""
    KEPT = "kept"
    """An attempt reported an outcome that changes nothing: it is stored as evidence."""
    DECIDED = "decided"
    """A decision was made about an unknown outcome."""


class LedgerEvent(Contract):
    """An entry of the ledger. Entries are only ever added."""

    number: int = Field(ge=1)
    """The entry's number among the entries of its call, from 1."""
    at: AwareDatetime
    """The moment of the entry, in UTC."""
    happening: Happening
    attempt: int = Field(ge=1)
    """The attempt that made the entry; for a decision, the attempt that it is about."""
    phase: CallPhase
    """The phase of the call after the entry."""
    call: IntendedCall | None = None
    """The intended call; None unless the entry is an intent."""
    asking: str = ""
    """The id of the worker's request, for an intent: a repeated transaction recognizes its own entry by it. Empty for
    other entries."""
    outcome: ToolOutcome | None = None
    """The reported outcome, or the outcome that a decision sets; None for other entries."""
    decision: Decision | None = None
    """The decision; None for other entries."""
    late: bool = False
    """For an outcome that counts: whether the call counted as unknown or as not happened by then, or another attempt
    was under way."""


class CallRecord(Contract):
    """The record of one call: everything that is known of it."""

    key: StepKey
    call: IntendedCall
    phase: CallPhase
    """The phase of the call now."""
    attempt: int = Field(ge=1)
    """The last attempt that was allowed to call."""
    intended_at: AwareDatetime
    """The moment when that attempt was allowed to call, in UTC."""
    outcome: ToolOutcome | None
    """The outcome that counts; None until the call is done."""
    events: tuple[LedgerEvent, ...]
    """All entries of the call, the earliest first."""
