"""Retries of failed runs, as a part of `Platform`: the run continues from its last safe point, with the same keys."""

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from perdure.contracts.runs.retry import Retry
from perdure.contracts.temporal.search_attributes import AGENT, OUTCOME
from perdure.errors import NotFailed, PlatformError
from perdure.history.causes import TAIL, cause_of
from perdure.history.safe_point import safe_point
from perdure.run_failures import FAILED, RunFailures, failed_since
from perdure.runs import checked_id, client_error, retry_lost_namespace, split_workflow_id, workflow_id


class RunRetry(RunFailures):
    """The methods of `Platform` that retry failed runs."""

    async def retry(self, business_id: str, *, tenant: str = "default") -> Retry:
        """Continue a failed run from just before the step that failed.

        It is the same run under the same id: what is paid for is not bought again, and what was written is not written
        again. Later decisions are sent to it again. Raises `UnknownRun`, and `NotFailed` for a run that is running, has
        an outcome, or was ended by a person.
        """
        failure = await self._failure(workflow_id(tenant, checked_id(business_id)))
        return await self._reset(failure)

    async def retry_failed(
        self, since: datetime, *, tenant: str | None = "default", cause: str | None = None, dry_run: bool = False
    ) -> AsyncIterator[Retry]:
        """Retry all runs that failed since a moment, of a tenant or of all, one after the other, the oldest first.

        Yields each run once it is retried. One that cannot be retried is yielded with its problem, and the others go
        on. With `cause`, the id of a cause that `failures` returns, only runs that failed for it are retried. With
        `dry_run` nothing is done, and each run is yielded with the point where it would continue. A run that
        failed within the last second may be missed.
        """
        for name in await failed_since(self._client, since, tenant):
            try:
                failure = await self._failure(name)
            except NotFailed:
                continue  # it was retried meanwhile, or before: the list shows the execution that was left behind
            except PlatformError as error:
                if cause is None:
                    yield _unreadable(name, str(error))
                continue
            if cause is not None and failure.cause != cause:
                continue
            if dry_run:
                yield failure
                continue
            try:
                yield await self._reset(failure)
            except PlatformError as error:
                yield failure.model_copy(update={"problem": str(error)})

    async def _failure(self, name: str) -> Retry:
        """Return how a run has failed, and where it would continue. In a long run only the last execution can fail."""
        tenant, business_id = split_workflow_id(name)
        try:
            description = await retry_lost_namespace(self._client.get_workflow_handle(name).describe)
            if description.status not in FAILED:
                raise NotFailed(_refusal(business_id, description))
            handle = self._client.get_workflow_handle(name, run_id=description.run_id)
            events = [event async for event in handle.fetch_history_events()]
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None
        point = safe_point(events)
        return Retry(
            business_id=business_id,
            tenant=tenant,
            workflow_id=name,
            failed_run_id=description.run_id,
            kind=description.workflow_type,
            agent=description.typed_search_attributes.get(AGENT),
            failed=description.close_time,
            reason=_reason(events[-1]),
            cause=cause_of(events[-TAIL:], business_id, tenant).id,
            again=() if point is None else point.again,
            event=None if point is None else point.event,
        )

    async def _reset(self, failure: Retry) -> Retry:
        """Have the server start the execution that continues the run."""
        if failure.event is None:
            raise PlatformError(
                f"run {failure.business_id!r} failed before a worker saw it: it has no point to go on from: start it "
                f"under another id"
            )
        await self._require_still_failed(failure)
        point = f"{failure.failed_run_id}/{failure.event}"
        request = ResetWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=Execution(workflow_id=failure.workflow_id, run_id=failure.failed_run_id),
            reason=f"retried after: {failure.reason}"[:1000],
            workflow_task_finish_event_id=failure.event,
            # The same for each retry of this failure, so that a server can recognize a request that was sent twice.
            request_id=hashlib.sha256(point.encode()).hexdigest(),
            reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
        )
        try:
            reset = await retry_lost_namespace(lambda: self._client.workflow_service.reset_workflow_execution(request))
        except RPCError as error:
            raise client_error(error, failure.business_id, failure.tenant) from None
        return failure.model_copy(update={"temporal_run_id": reset.run_id})

    async def _require_still_failed(self, failure: Retry) -> None:
        """Check right before the reset whether the run was retried meanwhile: a reset would end that execution.

        If two retries come within the same few milliseconds, the later one wins. Both have the run's keys.
        """
        try:
            description = await retry_lost_namespace(self._client.get_workflow_handle(failure.workflow_id).describe)
        except RPCError as error:
            raise client_error(error, failure.business_id, failure.tenant) from None
        if description.run_id != failure.failed_run_id:
            raise NotFailed(f"run {failure.business_id!r} was retried by somebody else: look at it again")


def _refusal(business_id: str, description: WorkflowExecutionDescription) -> str:
    """Return why a run is not retried, and what to do."""
    match description.status:
        case WorkflowExecutionStatus.RUNNING | None:
            reason = "goes on: only a run that failed can be retried"
        case WorkflowExecutionStatus.COMPLETED:
            outcome = description.typed_search_attributes.get(OUTCOME) or "completed"
            reason = f"is over ({outcome}): only a run that failed can be retried: to do it again, use another id"
        case _:
            ended = description.status.name.lower()
            reason = f"was ended by a person ({ended}): it is not retried: to do it again, use another id"
    return f"run {business_id!r} {reason}"


def _reason(last: HistoryEvent) -> str:
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return " ".join(last.workflow_execution_failed_event_attributes.failure.message.split())
    return "its time was over"


def _unreadable(name: str, problem: str) -> Retry:
    """Return a retry that only holds a problem, for a run that could not be looked up."""
    tenant, business_id = split_workflow_id(name)
    return Retry(business_id=business_id, tenant=tenant, workflow_id=name, problem=problem)
