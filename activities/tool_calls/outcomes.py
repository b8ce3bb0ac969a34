"""Outcomes of calls that come from no tool: from the ledger, from a person, or of calls that were not made."""

import hashlib
from collections.abc import Sequence

from activities.ports import BlobStore, BodyMissing
from activities.tool_calls.results import plain_line
from agents.fence import unwrapped, within
from perdure.contracts.agents.steps import BRIEF
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import CallPhase, CallRecord, Failed, IntendedCall, Succeeded
from perdure.contracts.tool_calls.ledger import ToolOutcome as LedgerOutcome
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import ToolEffect, ToolSpec

REASON = 500
"""The most characters of a reason in the ledger, and of a tool's reason for giving no result."""

SHOWN = 2000
"""The most characters of another call's arguments that are shown."""


def intended(tool: ToolSpec, arguments: Text) -> IntendedCall:
    """Return a call as the ledger identifies it."""
    return IntendedCall(
        tool=tool.name,
        tool_digest=tool.digest,
        arguments_digest=arguments.digest,
        repeatable=tool.effect is ToolEffect.IDEMPOTENT,
    )


def from_ledger(tool: ToolSpec, entry: LedgerOutcome) -> ToolOutcome:
    """Return the outcome that the ledger holds, from an earlier attempt or from a person's decision."""
    if isinstance(entry, Succeeded):
        return ToolOutcome(
            tool=tool.name,
            ended=ToolEnded.RETURNED,
            happened=Happened.YES,
            result=entry.result,
            size=entry.result.tokens,
        )
    happened = Happened.NO if entry.did_not_happen else Happened.UNKNOWN
    # The ledger does not say who wrote the reason, so it is fenced as untrusted text.
    result = Text.of(within(f"{tool.name} gave no result. What is known about that", entry.reason))
    return ToolOutcome(tool=tool.name, ended=ToolEnded.FAILED, happened=happened, result=result)


def not_called(tool: str, ended: ToolEnded, reason: str) -> ToolOutcome:
    """Return the outcome of a call that was never made."""
    line = f"{tool} was not called: {' '.join(reason.split())}"
    return ToolOutcome(tool=tool, ended=ended, happened=Happened.NO, result=Text.of(line))


def too_early(tool: str, missing: Sequence[str]) -> ToolOutcome:
    """Return the outcome of a call that came before the calls it depends on. The remedy is for the model."""
    first = " and ".join(missing)
    reason = f"{first} must return something first. Call {first}, read the result, then call {tool} with what it says."
    return not_called(tool, ToolEnded.TOO_EARLY, reason)


def crossing(outcome: ToolOutcome) -> ToolOutcome:
    """Return an outcome as it crosses the history, once its text is stored.

    It says shortly what the call came to: by a digest where another call may come to the same, in words where it is a
    write or gave no result.
    """
    words = unwrapped(outcome.result.body or "")
    changed, returned = outcome.happened is not Happened.NO, outcome.ended is ToolEnded.RETURNED
    return outcome.model_copy(
        update={
            "result": outcome.result.carried(),
            "verdicts": (),
            "came": "" if changed else hashlib.sha256(words.encode()).hexdigest()[:16],
            "shown": plain_line(words, BRIEF) if changed or not returned else "",
        }
    )


def reason_of(outcome: ToolOutcome) -> str:
    """Return why a call gave no result, for people and for the ledger: one line, without a fence."""
    shown = outcome.result.body or outcome.ended.value
    within_fence = unwrapped(shown)
    line = shown if within_fence == shown else f"{outcome.tool} gave no result: {within_fence}"
    return plain_line(line, REASON)


async def superseded(blobs: BlobStore, tool: ToolSpec, record: CallRecord) -> ToolOutcome:
    """Return the outcome of a call whose key belongs to another call, made under this step before the run was reset.

    It is never made. The outcome says what is known of the other call.
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
    """Return the body of a text; None if it crossed the history without being stored."""
    try:
        return (await blobs.get(tenant, digest)).decode()
    except BodyMissing:
        return None
