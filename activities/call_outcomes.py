"""Outcomes of calls that no tool has told: what the ledger knows, what was not called, and what a person has said."""

from collections.abc import Sequence

from perdure.contracts.ledger import Succeeded
from perdure.contracts.ledger import ToolOutcome as Told
from perdure.contracts.text import Text
from perdure.contracts.tool_outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tools import ToolSpec

REASON = 500
"""Characters of a reason that the ledger keeps."""


def from_ledger(tool: ToolSpec, told: Told) -> ToolOutcome:
    """What an earlier attempt, or somebody's word, has made the call's outcome."""
    if isinstance(told, Succeeded):
        return ToolOutcome(
            tool=tool.name, ended=ToolEnded.RETURNED, happened=Happened.YES, result=told.result, size=told.result.tokens
        )
    happened = Happened.NO if told.did_not_happen else Happened.UNKNOWN
    return ToolOutcome(tool=tool.name, ended=ToolEnded.FAILED, happened=happened, result=Text.of(told.reason))


def not_called(tool: str, ended: ToolEnded, reason: str) -> ToolOutcome:
    """A call that was never made."""
    said = f"{tool} was not called: {' '.join(reason.split())}"
    return ToolOutcome(tool=tool, ended=ended, happened=Happened.NO, result=Text.of(said))


def too_early(tool: str, missing: Sequence[str]) -> ToolOutcome:
    """A call that came before what it has to be based on. The remedy is for the model."""
    first = " and ".join(missing)
    reason = f"{first} must return something first. Call {first}, read the result, then call {tool} with what it says."
    return not_called(tool, ToolEnded.TOO_EARLY, reason)


def said(outcome: ToolOutcome) -> str:
    """What a call that gave no result said about it, as far as it is kept."""
    return (outcome.result.body or outcome.ended.value)[:REASON]
