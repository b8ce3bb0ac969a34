"""What people and services do to a run while it goes on: look at what waits, decide, pause, resume, cancel."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import ActivityIDConflictPolicy
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.service import RPCError

from perdure.contracts.agents.steps import AuditDecision
from perdure.contracts.contract import Contract
from perdure.contracts.runs.control import Held, Pause, Resume
from perdure.contracts.runs.run import RunResult
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.temporal.search_attributes import AGENT, AWAITING_APPROVAL, TENANT
from perdure.contracts.tool_calls.decisions import (
    DecisionReply,
    InboxEntry,
    Pending,
    PendingStep,
    Rejected,
    StepDecision,
)
from perdure.errors import PlatformError, UnknownRun
from perdure.runs import checked_id, checked_name, failed_of, patiently, unknown_or, workflow_id

Answer = TypeVar("Answer")

AT_ONCE = 16
"""Runs that an inbox asks at the same time."""

ANSWERS_WITHIN = timedelta(seconds=5)
"""How long a run may take to say what waits in it."""


class RunControl:
    """A part of `Platform`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cancel(self, business_id: str, *, tenant: str = "default") -> None:
        """Ask a run to stop. Its outcome will be `cancelled`, with what was spent; a closed run stays as it is.

        Raises `UnknownRun`.
        """
        try:
            await patiently(self._handle(tenant, business_id).cancel)
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None

    async def pending(self, business_id: str, *, tenant: str = "default") -> tuple[PendingStep, ...]:
        """What in an agent's run waits for a person, each with the digest that a decision names. Needs a worker.

        Raises `UnknownRun`.
        """
        try:
            handle = self._handle(tenant, business_id)
            found: Pending = await patiently(lambda: handle.query("pending", result_type=Pending))
        except WorkflowQueryFailedError as error:
            raise PlatformError(f"run {business_id!r} has nothing that waits for people: {error}") from None
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None
        return found.steps

    async def decide(self, business_id: str, decision: StepDecision, *, tenant: str = "default") -> DecisionReply:
        """Tell a run what a person says about a step that waits; the reply says whether it holds, and if not, why.

        Sent again, the same decision is answered as before. A decision that no run can take any more, since it is over,
        is rejected, and written down in the audit. Raises `UnknownRun`, after that was written down too.
        """
        handle = self._handle(tenant, business_id)
        # By this id the server itself knows the decision again, also when the run is over.
        name = f"decide-{decision.content}"
        if decision.credential is not None:
            # What was rejected without a credential is another update with one.
            name += f"-{hashlib.sha256(decision.credential.encode()).hexdigest()[:16]}"
        try:
            return await patiently(
                lambda: handle.execute_update("decide", decision, id=name, result_type=DecisionReply)
            )
        except WorkflowUpdateFailedError as error:
            raise PlatformError(f"run {business_id!r} did not take it: {error.cause}") from None
        except RPCError as error:
            refused = unknown_or(error, business_id, tenant)
            if not isinstance(refused, UnknownRun):
                raise refused from None
        try:
            seen = await patiently(handle.describe)
        except RPCError as error:
            gone = unknown_or(error, business_id, tenant)
            raise UnknownRun(f"{gone}{await self._audited(tenant, business_id, decision, str(gone))}") from None
        state = (seen.status or WorkflowExecutionStatus.RUNNING).name.lower()
        reason = f"run {business_id!r} is over ({state}): nothing waits in it any more"
        written = await self._audited(tenant, business_id, decision, reason)
        return DecisionReply(came=Rejected(decision_id=decision.decision_id, reason=f"{reason}{written}"))

    async def inbox(self, tenant: str | None = None, *, limit: int = 1000) -> list[InboxEntry]:
        """Everything that waits for a person, in one tenant's runs or in all: what exactly, since when, who may decide.

        The longest waiting first. Of a run whose worker does not answer, it says that something waits; and of one that
        failed, that nobody knows whether it wrote something. It may be a second behind, as every search is.
        """
        query = f"{AWAITING_APPROVAL.name} = true AND ExecutionStatus IN ('Running', 'Failed')"
        if tenant is not None:
            query += f" AND {TENANT.name} = '{checked_name(tenant)}'"
        try:
            waiting = [run async for run in self._client.list_workflows(query, limit=limit)]
        except RPCError as error:
            raise PlatformError(f"the Temporal server cannot list what waits: {error.message}") from None
        at_once = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(self._waiting(run, at_once) for run in waiting))
        return sorted((entry for entries in found for entry in entries), key=_since)

    async def _waiting(self, run: WorkflowExecution, at_once: asyncio.Semaphore) -> list[InboxEntry]:
        tenant, _, business_id = run.id.partition(":")
        agent = run.typed_search_attributes.get(AGENT) or run.workflow_type
        handle = self._client.get_workflow_handle(run.id)
        if run.status is WorkflowExecutionStatus.FAILED:
            async with at_once:
                problem = await self._unknown_writes(run, business_id, tenant)
            return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, problem=problem)] if problem else []
        try:
            async with at_once:
                found: Pending = await handle.query("pending", result_type=Pending, rpc_timeout=ANSWERS_WITHIN)
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            problem = "its worker does not say what: is one running?"
            return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, problem=problem)]
        return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, step=step) for step in found.steps]

    async def _unknown_writes(self, run: WorkflowExecution, business_id: str, tenant: str) -> str:
        """Which writes of a failed run are in doubt, and what to do; empty once it was retried."""
        try:
            newest = await patiently(self._client.get_workflow_handle(run.id).describe)
            if newest.run_id != run.run_id:
                return ""
            await self._client.get_workflow_handle(run.id, run_id=run.run_id).result(rpc_timeout=ANSWERS_WITHIN)
        except WorkflowFailureError as error:
            how = failed_of(error)
        except RPCError:
            how = None
        else:
            return ""
        unknown = "; ".join(how.unknown) if how is not None else "a call of it may have happened: nobody knows"
        whose = "" if tenant == "default" else f" --tenant {tenant}"
        return f"the run failed, and {unknown}: look at the other side, then: perdure retry {business_id}{whose}"

    async def _audited(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> str:
        """Have a decision written down that no run can take. What has to be added to the answer: nothing, or a but.

        A client has no database: it starts an activity of its own, which the server keeps until a worker does it.
        """
        ask = AuditDecision(tenant=tenant, business_id=business_id, decision=decision.bare(), reason=reason)
        name = hashlib.sha256(f"{business_id}/{decision.decision_id}".encode()).hexdigest()[:16]
        try:
            await self._client.start_activity(
                "audit_decision",
                ask,
                id=f"audit:{tenant}:{name}:{decision.content[:16]}",
                task_queue=Queue.AGENTS,
                start_to_close_timeout=timedelta(seconds=10),
                schedule_to_close_timeout=timedelta(days=1),
                id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
            )
        except ActivityAlreadyStartedError:
            return ""  # the same decision was written down before
        except RPCError as error:
            return f"; and it could not be written down: {error.message}"
        return ""

    async def pause(self, business_id: str, *, by: str, reason: str = "", tenant: str = "default") -> Held:
        """Have an agent's run begin nothing new until it is resumed. Raises `UnknownRun`, also for one that is over."""
        return await self._told(tenant, business_id, "pause", Pause(by=by, reason=reason), Held)

    async def resume(self, business_id: str, *, by: str, tenant: str = "default") -> Held:
        """Have an agent's run go on. Raises `UnknownRun`, also for one that is over."""
        return await self._told(tenant, business_id, "resume", Resume(by=by), Held)

    async def _told(self, tenant: str, business_id: str, name: str, said: Contract, reply: type[Answer]) -> Answer:
        handle = self._handle(tenant, business_id)
        try:
            return await patiently(lambda: handle.execute_update(name, said, result_type=reply))
        except WorkflowUpdateFailedError as error:
            raise PlatformError(f"run {business_id!r} did not take it: {error.cause}") from None
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None

    def _handle(self, tenant: str, business_id: str) -> WorkflowHandle[Any, RunResult]:
        return self._client.get_workflow_handle(workflow_id(tenant, checked_id(business_id)), result_type=RunResult)


def _since(entry: InboxEntry) -> tuple[datetime, str]:
    return (datetime.min.replace(tzinfo=UTC) if entry.step is None else entry.step.since), entry.business_id
