"""Writes the reply to a decision that came as a signal into the run's history: a signal itself gets no reply."""

from temporalio import workflow

from perdure.contracts.tool_calls.decisions import DecisionReply, Rejected, StepDecision
from perdure.contracts.tool_calls.signal_replies import MEMO, SignalReply

MOST = 200
"""The most replies that one execution writes down: each is an event, and anybody may send signals without end."""

REASON = 500
"""The most characters of a reason that is written down."""


def write_down(number: int, decision: StepDecision | None, reply: DecisionReply) -> None:
    """Write the reply to the signal of this number into the run's memo, which the history and Temporal's pages show.

    A run that was recorded before there were such replies stays without them.
    """
    if number > MOST or not workflow.patched("replies-to-signals"):
        return
    rejection = reply.came if isinstance(reply.came, Rejected) else None
    written = SignalReply(
        number=number,
        step="" if decision is None else decision.step,
        ruling=None if decision is None else decision.ruling,
        by="" if decision is None else decision.by,
        accepted=rejection is None,
        reason="" if rejection is None else rejection.reason[:REASON],
        cause=None if rejection is None else rejection.cause,
    )
    workflow.upsert_memo({MEMO: written.model_dump(mode="json")})
