"""Binds waiting calls to their run, so that a decision about a call counts in no other run."""

from temporalio import workflow

from perdure.contracts.agents.agent import AgentRun, RequestedCall
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import WAITING
from workflows.state_machines.decisions import bound_to


def bound_run(run: AgentRun, *, anyway: bool = False) -> AgentRun:
    """Return the run with its tenant and run id: its waiting calls are bound to it, and decisions are recorded.

    A run whose people an older version has asked stays as it is, unless `anyway`: a call that needs a recorded decision
    is not made without one.
    """
    if run.run or not (anyway or workflow.patched("recorded-decisions")):
        return run
    info = workflow.info()
    tenant, _, _ = info.workflow_id.partition(":")
    return bound_to(run, tenant, info.first_execution_run_id)


def restored(run: AgentRun) -> AgentRun:
    """Return a run from the execution before, with its waiting calls bound to it."""
    return bound_run(run) if any(call.stage in WAITING for call in run.calls) else run


def with_call(run: AgentRun, call: RequestedCall) -> AgentRun:
    """Return the run with the new state of one call, which is bound to the run if it waits."""
    if call.stage not in WAITING:
        return run.with_call(call)
    named = bound_run(run, anyway=call.unproven)
    return named.with_call(tool_call.bound(call, named.spec.tool(call.tool), named.tenant, named.run))
