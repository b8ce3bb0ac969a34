"""The words for what an approval policy does where nobody decides: on the run's page, and on its timers."""

from datetime import timedelta
from typing import assert_never

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from workflows.run.headline import plain
from workflows.state_machines.approvals import Due, Escalate, Lapse, Remind, lasted


def done_by_policy(call: RequestedCall, due: Due, policy: ApprovalPolicy) -> str:
    """Return the words for an action of the policy that is due."""
    match due:
        case Remind():
            return "**still waits for a person**"
        case Escalate():
            step = policy.escalate[call.escalations]
            return f"**{plain(', '.join((*step.names, *step.groups)))} may decide too**"
        case Lapse():
            ruling = policy.on_timeout if call.stage is CallStage.AWAITING_APPROVAL else "deny"
            return f"nobody has spoken within {lasted(policy.timeout or timedelta(0))}: {ruling}"
        case never:
            assert_never(never)


def timer_name(due: Due) -> str:
    """Return the end of a timer's summary: the action that it waits for."""
    match due:
        case Remind():
            return "until people are reminded"
        case Escalate():
            return "until others may decide too"
        case Lapse():
            return "until it is decided without them"
        case never:
            assert_never(never)
