"""Outcomes of calls that no tool has told: what the ledger knows, what was not called, and what a person has said."""

from collections.abc import Sequence

from activities.ports import BlobStore, BodyMissing
from activities.tool_calls.results import plain_line
from agents.fence import unwrapped, within
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import CallPhase, CallRecord, Failed, IntendedCall, Succeeded
from perdure.contracts.tool_calls.ledger import ToolOutcome as Told
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec

REASON = 500
"""Characters of a reason that the ledger keeps, and of what a tool says about why it gave no result."""

SHOWN = 2000
"""Characters of the arguments of another call that are shown."""


def intended(tool: ToolSpec, arguments: Text) -> IntendedCall:
    """What the ledger knows a call by."""
    return IntendedCall(
        tool=tool.name,
        tool_digest=tool.digest,
        arguments_digest=arguments.digest,
        repeatable=tool.effect is ToolEffect.IDEMPOTENT,
    )


def from_ledger(tool: ToolSpec, told: Told) -> ToolOutcome:
    """What an earlier attempt, or somebody's word, has made the call's outcome."""
    if isinstance(told, Succeeded):
        return ToolOutcome(
            tool=tool.name, ended=ToolEnded.RETURNED, happened=Happened.YES, result=told.result, size=told.result.tokens
        )
    happened = Happened.NO if told.did_not_happen else Happened.UNKNOWN
    # The ledger does not say whose words these are, so they are taken for anybody's.
    result = Text.of(within(f"{tool.name} gave no result. What is known about that", told.reason))
    return ToolOutcome(tool=tool.name, ended=ToolEnded.FAILED, happened=happened, result=result)


def not_called(tool: str, ended: ToolEnded, reason: str) -> ToolOutcome:
    """A call that was never made."""
    line = f"{tool} was not called: {' '.join(reason.split())}"
    return ToolOutcome(tool=tool, ended=ended, happened=Happened.NO, result=Text.of(line))


def too_early(tool: str, missing: Sequence[str]) -> ToolOutcome:
    """A call that came before what it has to be based on. The remedy is for the model."""
    first = " and ".join(missing)
    reason = f"{first} must return something first. Call {first}, read the result, then call {tool} with what it says."
    return not_called(tool, ToolEnded.TOO_EARLY, reason)


def reason_of(outcome: ToolOutcome) -> str:
    """Why a call gave no result, for people and for the ledger: one line, without a fence."""
    shown = outcome.result.body or outcome.ended.value
    within_fence = unwrapped(shown)
    line = shown if within_fence == shown else f"{outcome.tool} gave no result: {within_fence}"
    return plain_line(line, REASON)


async def superseded(blobs: BlobStore, tool: ToolSpec, record: CallRecord) -> ToolOutcome:
    """A call whose key stands for another one, which was asked for under this step before the run was reset.

    It is never made, and what is known of the other one is told.
    """
    other = record.call
    details = [f"It called {other.tool}."]
    arguments = await _body(blobs, record.key.tenant, other.arguments_digest)
    if arguments is not None:
        details.append(f"Its arguments: {plain_line(arguments, SHOWN)}")
    match record.outcome, record.phase:
        case Succeeded(result=result), _:
            happened, known = Happened.YES, "and that was done"
            details.append(unwrapped(await _body(blobs, record.key.tenant, result.digest) or ""))
        case Failed(reason=reason, did_not_happen=True), _:
            happened, known = Happened.NO, "and that did not happen"
            details.append(reason)
        case _, CallPhase.CLEARED:
            happened, known = Happened.NO, "and that did not happen"
        case _:
            happened, known = Happened.UNKNOWN, "and nobody knows whether that happened"
    line = (
        f"{tool.name} was not called: before this run was reset, the same step was another call, {known}. This step "
        "calls nothing more. If it is still needed after that, ask for it again"
    )
    result = Text.of(within(f"{line}. What is known of the other call", "\n".join(details)))
    return ToolOutcome(tool=tool.name, ended=ToolEnded.SUPERSEDED, happened=happened, result=result)


async def _body(blobs: BlobStore, tenant: str, digest: str) -> str | None:
    """A text that may have been carried along and never stored."""
    try:
        return (await blobs.get(tenant, digest)).decode()
    except BodyMissing:
        return None
