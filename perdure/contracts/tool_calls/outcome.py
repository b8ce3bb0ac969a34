"""How a call of a tool ended: one of a closed set, whatever the tool's code did."""

from enum import StrEnum
from typing import Any, cast

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from perdure.contracts.contract import Contract
from perdure.contracts.guards import Verdict
from perdure.contracts.text import PlainText


class ToolEnded(StrEnum):
    """How a call came to its end."""

    RETURNED = "returned"
    """It returned text, which the model is shown."""
    BLOCKED = "blocked"
    """It returned text that a guard keeps from the model."""
    UNUSABLE = "unusable"
    """It returned what is no text: bytes, binary, nothing."""
    REJECTED = "rejected"
    """Its arguments broke the schema or a constraint."""
    TOO_EARLY = "too_early"
    """Tools that have to return before it have not, so it was not called."""
    FAILED = "failed"
    """It said that it could not, or its code broke."""
    TIMED_OUT = "timed_out"
    """It did not end within its timeout, and was stopped."""
    UNKNOWN_TOOL = "unknown_tool"
    """The agent was granted no tool of this name."""
    DENIED = "denied"
    """A person said no to it, so it was not called."""
    CALLED_OFF = "called_off"
    """The run was cancelled before it was called."""
    TOOL_CHANGED = "tool_changed"
    """It is no longer the tool that the run pinned, so it was not called."""
    SUPERSEDED = "superseded"
    """Before the run was reset, this step was another call: that one stays, this one is never made. Whether it happened
    is said of the one before."""


class Happened(StrEnum):
    """Whether the call changed the world."""

    YES = "yes"
    """It did what it does."""
    NO = "no"
    """Nothing was changed; so it is for every call of a tool that only reads."""
    UNKNOWN = "unknown"
    """It may have: never call it again before that is known."""


USUAL = {"ended": ToolEnded.RETURNED.value, "happened": Happened.NO.value}
"""How most calls end. Their payloads do not say it, so it never changes. Code has to: it is no default."""


class ToolOutcome(Contract):
    """What a call of a tool came to."""

    tool: str
    """Its name, as the model wrote it."""
    ended: ToolEnded
    happened: Happened
    result: PlainText
    """What the model is shown: data within a fence, or one line that says why there is none."""
    verdicts: tuple[Verdict, ...] = ()
    """What guards found in the result."""
    size: int = Field(default=0, ge=0)
    """Bytes that the tool returned."""
    cut: int = Field(default=0, ge=0)
    """Bytes of these that are not shown."""

    @model_validator(mode="before")
    @classmethod
    def _as_usual(cls, value: Any) -> Any:
        return USUAL | cast("dict[str, Any]", value) if isinstance(value, dict) else value

    @model_serializer(mode="wrap", when_used="json")
    def _without_the_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {field: said for field, said in write(self).items() if USUAL.get(field) != said}
