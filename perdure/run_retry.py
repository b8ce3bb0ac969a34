"""Lets failed runs go on from their last safe point: the same run with the same keys, so what is done stays done."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from perdure.contracts.runs.retry import Retry
from perdure.contracts.temporal.search_attributes import AGENT, OUTCOME, TENANT
from perdure.errors import NotFailed, PlatformError
from perdure.history.safe_point import safe_point
from perdure.runs import checked_id, checked_name, named_by, patiently, unknown_or, workflow_id

FAILED = (WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.TIMED_OUT)
"""How a run ends that nobody ended: by a fault, or because a time was over that whoever started it had set."""


class RunRetry:
    """A part of `Platform`."""

    _client: Client

    async def retry(self, business_id: str, *, tenant: str = "default") -> Retry:
        """Let a failed run go on, from just before the step that failed.

        It is the same run under the same id, so what is paid for is not bought again, and what was written is not
        written again. Decisions that came later are sent to it again.
        Raises `UnknownRun`, and `NotFailed` for a run that goes on, has an outcome, or was ended by a person.
        """
        found = await self._failure(workflow_id(tenant, checked_id(business_id)))
        return await self._gone_on(found)

    async def retry_failed(
        self, since: datetime, *, tenant: str | None = "default", dry_run: bool = False
    ) -> AsyncIterator[Retry]:
        """Let all runs go on that failed since a moment, of a tenant or of all, one after the other, the first first.

        Each is told when it is done, with the problem where it could not be: that stops none of the others. With
        `dry_run` nothing is done, and each tells where it would go on. A run that failed in this second may be missed.
        """
        for name in await self._failed_since(since, tenant):
            try:
                found = await self._failure(name)
            except NotFailed:
                continue  # it goes on by now, or did so before: what was listed is the execution that was left
            except PlatformError as error:
                yield _untold(name, str(error))
                continue
            if dry_run:
                yield found
                continue
            try:
                yield await self._gone_on(found)
            except PlatformError as error:
                yield found.model_copy(update={"problem": str(error)})

    async def _failed_since(self, since: datetime, tenant: str | None) -> list[str]:
        """The workflow ids of runs that have failed, each once, the first first."""
        if since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        whose = f"{TENANT.name} IS NOT NULL" if tenant is None else f"{TENANT.name} = '{checked_name(tenant)}'"
        query = f"{whose} AND ExecutionStatus IN ('Failed', 'TimedOut') AND CloseTime >= '{since.isoformat()}'"
        try:
            listed: list[WorkflowExecution] = [run async for run in self._client.list_workflows(query)]
        except RPCError as error:
            raise PlatformError(f"the Temporal server cannot list what failed: {error.message}") from None
        listed.sort(key=lambda run: (run.close_time or since, run.id))
        return list(dict.fromkeys(run.id for run in listed))

    async def _failure(self, name: str) -> Retry:
        """How a run has failed, and where it would go on. Of a long run only the last execution can have failed."""
        tenant, business_id = named_by(name)
        try:
            seen = await patiently(self._client.get_workflow_handle(name).describe)
            if seen.status not in FAILED:
                raise NotFailed(_refusal(business_id, seen))
            handle = self._client.get_workflow_handle(name, run_id=seen.run_id)
            events = [event async for event in handle.fetch_history_events()]
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None
        point = safe_point(events)
        return Retry(
            business_id=business_id,
            tenant=tenant,
            workflow_id=name,
            failed_run_id=seen.run_id,
            kind=seen.workflow_type,
            agent=seen.typed_search_attributes.get(AGENT),
            failed=seen.close_time,
            reason=_reason(events[-1]),
            again=() if point is None else point.again,
            event=None if point is None else point.event,
        )

    async def _gone_on(self, found: Retry) -> Retry:
        """Have the server begin the execution in which the run goes on."""
        if found.event is None:
            raise PlatformError(
                f"run {found.business_id!r} failed before a worker saw it: it has no point to go on from: start it "
                f"under another id"
            )
        await self._still_failed(found)
        asked = f"{found.failed_run_id}/{found.event}"
        request = ResetWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=Execution(workflow_id=found.workflow_id, run_id=found.failed_run_id),
            reason=f"retried after: {found.reason}"[:1000],
            workflow_task_finish_event_id=found.event,
            # The same for each retry of this failure, so that a server can know a request that was sent twice.
            request_id=hashlib.sha256(asked.encode()).hexdigest(),
            reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
        )
        try:
            reset = await patiently(lambda: self._client.workflow_service.reset_workflow_execution(request))
        except RPCError as error:
            raise unknown_or(error, found.business_id, found.tenant) from None
        return found.model_copy(update={"temporal_run_id": reset.run_id})

    async def _still_failed(self, found: Retry) -> None:
        """Look again, right before: a server would end the execution that somebody else's retry has begun meanwhile.

        Of two that come within the same few milliseconds, the later one goes on. Both have the run's keys.
        """
        try:
            seen = await patiently(self._client.get_workflow_handle(found.workflow_id).describe)
        except RPCError as error:
            raise unknown_or(error, found.business_id, found.tenant) from None
        if seen.run_id != found.failed_run_id:
            raise NotFailed(f"run {found.business_id!r} was retried by somebody else: look at it again")


def _refusal(business_id: str, seen: WorkflowExecutionDescription) -> str:
    """Why a run is not retried, and what to do."""
    match seen.status:
        case WorkflowExecutionStatus.RUNNING | None:
            how = "goes on: only a run that failed can be retried"
        case WorkflowExecutionStatus.COMPLETED:
            outcome = seen.typed_search_attributes.get(OUTCOME) or "completed"
            how = f"is over ({outcome}): only a run that failed can be retried: to do it again, use another id"
        case _:
            how = (
                f"was ended by a person ({seen.status.name.lower()}): it is not retried: to do it again, use another id"
            )
    return f"run {business_id!r} {how}"


def _reason(last: HistoryEvent) -> str:
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return " ".join(last.workflow_execution_failed_event_attributes.failure.message.split())
    return "its time was over"


def _untold(name: str, problem: str) -> Retry:
    tenant, business_id = named_by(name)
    return Retry(business_id=business_id, tenant=tenant, workflow_id=name, problem=problem)
