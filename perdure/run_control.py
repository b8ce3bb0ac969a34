"""Control of running runs, as a part of `Platform`: list what waits for a person, decide, pause, resume, cancel."""

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
from perdure.contracts.tool_calls.rejections import RejectionCause
from perdure.errors import NoServer, PlatformError, UnknownRun
from perdure.runs import (
    cannot_list,
    checked_id,
    checked_name,
    client_error,
    failure_details,
    retry_lost_namespace,
    workflow_id,
)

Answer = TypeVar("Answer")

AT_ONCE = 16
"""The number of runs that an inbox queries at the same time."""

ANSWERS_WITHIN = timedelta(seconds=5)
"""How long a run may take to answer a query about its pending steps."""


class RunControl:
    """The methods of `Platform` that control running runs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cancel(self, business_id: str, *, tenant: str = "default") -> None:
        """Ask a run to stop. Its outcome will be `cancelled`, with its spend; a closed run stays as it is.

        Raises `UnknownRun`.
        """
        try:
            await retry_lost_namespace(self._handle(tenant, business_id).cancel)
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None

    async def pending(self, business_id: str, *, tenant: str = "default") -> tuple[PendingStep, ...]:
        """Return the steps of an agent's run that wait for a person, each with the digest that a decision has to name.

        Needs a worker. Raises `UnknownRun`.
        """
        try:
            handle = self._handle(tenant, business_id)
            pending: Pending = await retry_lost_namespace(lambda: handle.query("pending", result_type=Pending))
        except WorkflowQueryFailedError as error:
            raise PlatformError(f"run {business_id!r} has nothing that waits for people: {error}") from None
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None
        return pending.steps

    async def decide(self, business_id: str, decision: StepDecision, *, tenant: str = "default") -> DecisionReply:
        """Send a person's decision about a pending step to its run. The reply says whether it counts, and if not, why.

        The same decision sent again gets the same reply. A decision for a run that is over is rejected, and recorded in
        the audit. Raises `UnknownRun`, after the decision is recorded in the audit as well.
        """
        decision.refuse_illegible(decision.model_dump())
        handle = self._handle(tenant, business_id)
        # With this id the server recognizes a repeated decision, also when the run is over.
        update_id = f"decide-{decision.content}"
        if decision.credential is not None:
            # A decision that was rejected without a credential is a new update once it has one.
            update_id += f"-{hashlib.sha256(decision.credential.encode()).hexdigest()[:16]}"
        try:
            return await retry_lost_namespace(
                lambda: handle.execute_update("decide", decision, id=update_id, result_type=DecisionReply)
            )
        except WorkflowUpdateFailedError as error:
            raise PlatformError(f"run {business_id!r} did not take it: {error.cause}") from None
        except RPCError as error:
            refusal = client_error(error, business_id, tenant)
            if not isinstance(refusal, UnknownRun):
                raise refusal from None
        try:
            description = await retry_lost_namespace(handle.describe)
        except RPCError as error:
            unknown = client_error(error, business_id, tenant)
            failure = await self._audit(tenant, business_id, decision, str(unknown))
            raise UnknownRun(f"{unknown}{failure}") from None
        state = (description.status or WorkflowExecutionStatus.RUNNING).name.lower()
        reason = f"run {business_id!r} is over ({state}): nothing waits in it any more"
        failure = await self._audit(tenant, business_id, decision, reason)
        return DecisionReply(
            came=Rejected(decision_id=decision.decision_id, reason=f"{reason}{failure}", cause=RejectionCause.LATE)
        )

    async def inbox(self, tenant: str | None = None, *, limit: int = 1000) -> list[InboxEntry]:
        """Return all steps that wait for a person, in one tenant's runs or in all: what, since when, who may decide.

        The longest waiting comes first. A run whose worker does not answer gets an entry with a problem. So does a
        failed run with a call whose outcome is unknown. The list may lag a second behind, like every search.
        """
        query = f"{AWAITING_APPROVAL.name} = true AND ExecutionStatus IN ('Running', 'Failed')"
        if tenant is not None:
            query += f" AND {TENANT.name} = '{checked_name(tenant)}'"
        try:
            waiting = [run async for run in self._client.list_workflows(query, limit=limit)]
        except RPCError as error:
            raise cannot_list(error, "what waits") from None
        at_once = asyncio.Semaphore(AT_ONCE)
        inboxes = await asyncio.gather(*(self._entries(run, at_once) for run in waiting))
        return sorted((entry for entries in inboxes for entry in entries), key=_since)

    async def _entries(self, run: WorkflowExecution, at_once: asyncio.Semaphore) -> list[InboxEntry]:
        """Return the inbox entries of one run: its pending steps, or its problem."""
        tenant, _, business_id = run.id.partition(":")
        agent = run.typed_search_attributes.get(AGENT) or run.workflow_type
        handle = self._client.get_workflow_handle(run.id)
        if run.status is WorkflowExecutionStatus.FAILED:
            async with at_once:
                problem = await self._unknown_writes(run, business_id, tenant)
            return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, problem=problem)] if problem else []
        try:
            async with at_once:
                pending: Pending = await handle.query("pending", result_type=Pending, rpc_timeout=ANSWERS_WITHIN)
        except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            problem = "its worker does not say what: is one running?"
            return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, problem=problem)]
        return [InboxEntry(business_id=business_id, tenant=tenant, agent=agent, step=step) for step in pending.steps]

    async def _unknown_writes(self, run: WorkflowExecution, business_id: str, tenant: str) -> str:
        """Return which writes of a failed run have an unknown outcome, and what to do; empty once it was retried."""
        try:
            newest = await retry_lost_namespace(self._client.get_workflow_handle(run.id).describe)
            if newest.run_id != run.run_id:
                return ""
            await self._client.get_workflow_handle(run.id, run_id=run.run_id).result(rpc_timeout=ANSWERS_WITHIN)
        except WorkflowFailureError as error:
            failure = failure_details(error)
        except (RPCError, NoServer):
            failure = None
        else:
            return ""
        unknown = "; ".join(failure.unknown) if failure is not None else "a call of it may have happened: nobody knows"
        whose = "" if tenant == "default" else f" --tenant {tenant}"
        return f"the run failed, and {unknown}: look at the other side, then: perdure retry {business_id}{whose}"

    async def _audit(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> str:
        """Record a decision that no run can take. Return an empty text, or the failure to add to the reply.

        A client has no database: it starts an activity of its own, which the server keeps until a worker runs it.
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
            return ""  # the same decision was recorded before
        except RPCError as error:
            return f"; and it could not be written down: {error.message}"
        return ""

    async def pause(self, business_id: str, *, by: str, reason: str = "", tenant: str = "default") -> Held:
        """Pause an agent's run: it starts nothing new until it is resumed.

        Raises `UnknownRun`, also for a closed run.
        """
        return await self._update(tenant, business_id, "pause", Pause.strictly({"by": by, "reason": reason}), Held)

    async def resume(self, business_id: str, *, by: str, tenant: str = "default") -> Held:
        """Resume a paused agent's run. Raises `UnknownRun`, also for a closed run."""
        return await self._update(tenant, business_id, "resume", Resume.strictly({"by": by}), Held)

    async def _update(self, tenant: str, business_id: str, name: str, request: Contract, reply: type[Answer]) -> Answer:
        handle = self._handle(tenant, business_id)
        try:
            return await retry_lost_namespace(lambda: handle.execute_update(name, request, result_type=reply))
        except WorkflowUpdateFailedError as error:
            raise PlatformError(f"run {business_id!r} did not take it: {error.cause}") from None
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None

    def _handle(self, tenant: str, business_id: str) -> WorkflowHandle[Any, RunResult]:
        return self._client.get_workflow_handle(workflow_id(tenant, checked_id(business_id)), result_type=RunResult)


def _since(entry: InboxEntry) -> tuple[datetime, str]:
    return (datetime.min.replace(tzinfo=UTC) if entry.step is None else entry.step.since), entry.business_id
