"""Binds calls that wait for people to their run, so that a decision about one counts in no other."""

from temporalio import workflow

from perdure.contracts.agents.agent import AgentRun, RequestedCall
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import WAITING
from workflows.state_machines.decisions import bound_to


def bound_run(run: AgentRun, *, anyway: bool = False) -> AgentRun:
    """The run, from now on with its name: all that waits is bound to it, and what people say is recorded.

    It goes on without where an older version has asked its people, unless `anyway`: what is to be made by their word is
    not made without a record.
    """
    if run.run or not (anyway or workflow.patched("recorded-decisions")):
        return run
    info = workflow.info()
    tenant, _, _ = info.workflow_id.partition(":")
    return bound_to(run, tenant, info.first_execution_run_id)


def restored(run: AgentRun) -> AgentRun:
    """A run that an earlier execution has handed over, with what waits in it bound to it."""
    return bound_run(run) if any(call.stage in WAITING for call in run.calls) else run


def with_call(run: AgentRun, call: RequestedCall) -> AgentRun:
    """With one of its calls in its new state, bound to the run where it waits."""
    if call.stage not in WAITING:
        return run.with_call(call)
    named = bound_run(run, anyway=call.unproven)
    return named.with_call(tool_call.bound(call, named.spec.tool(call.tool), named.tenant, named.run))
