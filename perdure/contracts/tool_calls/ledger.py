"""The ledger of tool calls: what was intended, what came of it, and who said so where nobody knew."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Contract, Digest, Variant
from perdure.contracts.text import Text


class CallPhase(StrEnum):
    """Where a tool call stands."""

    INTENDED = "intended"
    """An attempt was allowed to call, and nobody has missed its outcome yet."""
    UNKNOWN = "unknown"
    """An attempt was allowed to call, and nobody knows whether it did: it may have happened."""
    CLEARED = "cleared"
    """It is known not to have happened, or a person takes the risk: the next attempt may call, and no second one."""
    DONE = "done"
    """An outcome is there, and stays."""


class IntendedCall(Contract):
    """What is to be called. It is the same for every attempt under one key."""

    tool: str = Field(min_length=1, max_length=200)
    tool_digest: Digest
    """The tool that the run has pinned."""
    arguments_digest: Digest
    repeatable: bool = False
    """Whether the tool changes nothing more when it is called again with the same key; else it is called at most once.
    """


class Succeeded(Variant):
    """The call happened."""

    kind: Literal["succeeded"] = "succeeded"
    result: Text
    """What the tool returned. Its body, where it comes along, is stored with the outcome; what is read holds none."""


class Failed(Variant):
    """The call failed."""

    kind: Literal["failed"] = "failed"
    reason: str = Field(max_length=2000)
    did_not_happen: bool
    """Whether it surely did not happen. Where that is not sure, the call is unknown, whatever the reason."""
    may_retry: bool = False
    """Of what surely did not happen: whether the next attempt may call; otherwise this is the call's outcome."""

    @model_validator(mode="after")
    def _what_may_have_happened_is_not_retried(self) -> Self:
        if self.may_retry and not self.did_not_happen:
            raise ValueError("may_retry needs did_not_happen: what may have happened is not called again")
        return self


ToolOutcome = Annotated[Succeeded | Failed, Field(discriminator="kind")]


class Word(StrEnum):
    """What somebody says about a call whose outcome is unknown."""

    DID_HAPPEN = "did_happen"
    """It happened, with this result: it is not called again."""
    DID_NOT_HAPPEN = "did_not_happen"
    """It surely did not happen, and cannot any more: one new attempt may call."""
    RETRY = "retry"
    """Nobody knows, and twice is better than not at all: one new attempt may call."""


class Source(StrEnum):
    """Whose word it is."""

    PERSON = "person"
    """A person's, who answers for it."""
    RECONCILE = "reconcile"
    """That of the tool's own `reconcile`, which asked the other side."""


class Decision(Contract):
    """A word on an unknown call."""

    decision_id: str = Field(min_length=1, max_length=200)
    """The sender's own name for it: sent again, it changes nothing and is answered as before."""
    attempt: int = Field(ge=1)
    """The attempt whose outcome is unknown, as the sender saw it."""
    word: Word
    source: Source = Source.PERSON
    by: str = Field(min_length=1, max_length=200)
    """Who says so."""
    reason: str = Field(default="", max_length=2000)
    result: Text | None = None
    """What the call returned, where it did happen."""

    @model_validator(mode="after")
    def _result_and_risk(self) -> Self:
        if (self.result is not None) != (self.word is Word.DID_HAPPEN):
            raise ValueError("result belongs to did_happen, and to nothing else: send what the tool returned")
        if self.source is Source.RECONCILE and self.word is Word.RETRY:
            raise ValueError("only a person may take the risk of a retry: reconcile says what it knows")
        return self


class Refusal(StrEnum):
    """Why a decision was not taken."""

    NEVER_INTENDED = "never_intended"
    """No attempt ever had this key."""
    IN_FLIGHT = "in_flight"
    """An attempt was allowed to call, and nobody has missed its outcome yet."""
    OUTCOME_CAME_FIRST = "outcome_came_first"
    """An attempt has told its outcome, perhaps late: there is nothing to decide."""
    DECIDED_ALREADY = "decided_already"
    """Another decision came first."""
    MAY_CALL_ALREADY = "may_call_already"
    """It is known not to have happened, or somebody took the risk already: the next attempt may call."""
    ANOTHER_ATTEMPT = "another_attempt"
    """What is unknown now is the outcome of another attempt than the one that was seen."""
    ID_TAKEN = "id_taken"
    """Another decision about this call has the same id."""


class Happening(StrEnum):
    """What an entry of the ledger tells."""

    INTENDED = "intended"
    """An attempt was allowed to call."""
    MISSED = "missed"
    """An attempt found an intent without its outcome, and was not allowed to call."""
    TOLD = "told"
    """An attempt told its outcome."""
    KEPT = "kept"
    """An attempt told an outcome that changes nothing: it is kept as evidence."""
    DECIDED = "decided"
    """Somebody decided on an unknown outcome."""


class LedgerEvent(Contract):
    """One entry. Entries are only ever added."""

    number: int = Field(ge=1)
    """Its place among the entries of its call."""
    at: AwareDatetime
    """UTC."""
    happening: Happening
    attempt: int = Field(ge=1)
    """Whose it is; of a decision, which attempt it is about."""
    phase: CallPhase
    """Where the call stands after it."""
    call: IntendedCall | None = None
    """Of an intent."""
    asking: str = ""
    """Of an intent: who asked, so that a transaction that is done twice knows itself again."""
    outcome: ToolOutcome | None = None
    """What was told, or what a decision makes of the call."""
    decision: Decision | None = None
    late: bool = False
    """Of an outcome that counts: whether the call was taken for unknown or for not happened, or another attempt was on
    its way."""


class CallRecord(Contract):
    """All that is known of one call."""

    key: StepKey
    call: IntendedCall
    phase: CallPhase
    attempt: int = Field(ge=1)
    """The attempt that was allowed to call last."""
    intended_at: AwareDatetime
    """When it was."""
    outcome: ToolOutcome | None
    """The one that counts; None until the call is done."""
    events: tuple[LedgerEvent, ...]
    """The earliest first."""
