"""Writes in the result of a run: the calls that may change the world, and what became of each."""

from enum import StrEnum

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.tool_calls.outcome import ToolEnded


class WriteState(StrEnum):
    """What became of a write."""

    DONE = "done"
    """It happened."""
    DENIED = "denied"
    """A person or the policy said no: it did not happen."""
    FAILED = "failed"
    """It did not happen: it was not allowed, came too early, or failed. `ended` says how."""
    UNKNOWN = "unknown"
    """It may have happened: look at the other side."""
    NOT_ATTEMPTED = "not_attempted"
    """Nothing was tried: the model never asked for it, or the run ended before it was made."""


class Write(Contract):
    """A call that may change the world, or a required one that was never asked for."""

    tool: str
    state: WriteState
    step: str | None = None
    """The call's id, `call-3-1`; None where the model never asked for it."""
    arguments: str = ""
    """The beginning of its arguments, in one line. Empty for none, and where a guard kept them back."""
    arguments_digest: Digest | None = None
    """The digest of the whole arguments; None where the model never asked for it."""
    came: str = ""
    """The beginning of what the model was shown as its result, in one line."""
    ended: ToolEnded | None = None
    """How the call ended; None where it did not end, or was never asked for."""
    by: str = ""
    """Who denied it, or who said whether it happened; empty for nobody."""
    required: bool = False
    """Whether the run requires a write of this tool."""
