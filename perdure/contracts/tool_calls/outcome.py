"""Outcomes of tool calls: a closed set of endings, whatever the tool's code did."""

from enum import StrEnum
from typing import Any, cast

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from perdure.contracts.contract import Contract
from perdure.contracts.guards import Verdict
from perdure.contracts.text import PlainText


class ToolEnded(StrEnum):
    """The ending of a tool call."""

    RETURNED = "returned"
    """The tool returned text, which the model is shown."""
    BLOCKED = "blocked"
    """The tool returned text that a guard hides from the model."""
    UNUSABLE = "unusable"
    """The tool returned something that is not text: bytes, binary data, or nothing."""
    REJECTED = "rejected"
    """The arguments broke the schema or a constraint."""
    TOO_EARLY = "too_early"
    """A tool that has to return before this one has not returned, so this one was not called."""
    FAILED = "failed"
    """The tool reported a failure, or its code broke."""
    TIMED_OUT = "timed_out"
    """The call did not end within the tool's timeout, and was stopped."""
    UNKNOWN_TOOL = "unknown_tool"
    """The agent was not granted a tool of this name."""
    DENIED = "denied"
    """A person denied the call, so it was not made."""
    CALLED_OFF = "called_off"
    """The run was cancelled before the call was made."""
    TOOL_CHANGED = "tool_changed"
    """The tool is no longer the edition that the run pinned, so it was not called."""
    SUPERSEDED = "superseded"
    """This step was another call before the run was reset. That call stays, and this one is never made. `happened` is
    about the earlier call."""


class Happened(StrEnum):
    """Whether the call changed the world."""

    YES = "yes"
    """The call did what the tool does."""
    NO = "no"
    """Nothing was changed. Every call of a read-only tool ends so."""
    UNKNOWN = "unknown"
    """The call may have changed the world: never make it again before this is known."""


USUAL = {"ended": ToolEnded.RETURNED.value, "happened": Happened.NO.value}
"""The most frequent ending. Payloads leave these fields out, so the values must never change. They are no field
defaults: code has to pass them."""


class ToolOutcome(Contract):
    """The outcome of a tool call."""

    tool: str
    """The tool's name, as the model wrote it."""
    ended: ToolEnded
    """How the call ended."""
    happened: Happened
    """Whether the call changed the world."""
    result: PlainText
    """The text for the model: data within a fence, or one line that says why there is none."""
    verdicts: tuple[Verdict, ...] = ()
    """The verdicts of guards on the result."""
    size: int = Field(default=0, ge=0)
    """The number of bytes that the tool returned."""
    cut: int = Field(default=0, ge=0)
    """The number of those bytes that the model is not shown."""
    came: str = ""
    """A short digest of the result without its fence, by which the same result of another call is recognized; empty
    where it is not needed."""
    shown: str = ""
    """The beginning of the result of a write without its fence, in one line, for a reader of the run's result."""

    @model_validator(mode="before")
    @classmethod
    def _as_usual(cls, value: Any) -> Any:
        return USUAL | cast("dict[str, Any]", value) if isinstance(value, dict) else value

    @model_serializer(mode="wrap", when_used="json")
    def _without_the_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {field: value for field, value in write(self).items() if USUAL.get(field) != value}
