"""Failed runs by their cause, as a part of `Platform`: what failed since a moment, grouped, each with its remedy."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.common.v1 import WorkflowExecution as Execution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.runs.failures import FailureCause, FailureGroup
from perdure.contracts.temporal.search_attributes import TENANT
from perdure.errors import PlatformError
from perdure.history.causes import TAIL, cause_of
from perdure.history.remedies import remedy_of
from perdure.runs import cannot_list, checked_name, retry_lost_namespace, split_workflow_id

FAILED = (WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.TIMED_OUT)
"""The states of a run that failed: it ended by a fault, or by a timeout that its starter had set."""

AT_ONCE = 16
"""The number of failed runs that are read at the same time."""

Progress = Callable[[int, int], None]
"""A function that is told how many failed runs were read, and how many there are."""


@dataclass(frozen=True)
class _Failure:
    """One failed run with its cause."""

    name: str
    closed: datetime
    cause: FailureCause
    reason: str


class RunFailures:
    """The method of `Platform` that groups failed runs."""

    _client: Client

    async def failures(
        self, since: datetime, *, tenant: str | None = "default", progress: Progress | None = None
    ) -> tuple[FailureGroup, ...]:
        """Return the runs that failed since a moment, of a tenant or of all, grouped by cause: the largest group first.

        A run that was retried and goes on is not counted. Only the end of each history is read, of 16 runs at a time;
        `progress` is called after each. A run that failed within the last second may be missed.
        """
        names, at_once, read = await failed_since(self._client, since, tenant), asyncio.Semaphore(AT_ONCE), 0

        async def look(name: str) -> _Failure | None:
            nonlocal read
            async with at_once:
                failure = await self._failed(name)
            read += 1
            if progress is not None:
                progress(read, len(names))
            return failure

        try:
            async with asyncio.TaskGroup() as tasks:
                looks = [tasks.create_task(look(name)) for name in names]
        except ExceptionGroup as errors:
            error = errors.exceptions[0]
            if isinstance(error, RPCError):
                raise PlatformError(f"the Temporal server cannot show what failed: {error.message}") from None
            raise error from None
        return _grouped([failure for task in looks if (failure := task.result()) is not None])

    async def _failed(self, name: str) -> _Failure | None:
        """Return a failed run with its cause; None where it goes on, has an outcome, or is gone."""
        tenant, business_id = split_workflow_id(name)
        try:
            description = await retry_lost_namespace(self._client.get_workflow_handle(name).describe)
            if description.status not in FAILED:
                return None
            events = await self._end(name, description.run_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None  # the server has deleted it meanwhile
            raise
        reason = events[-1].workflow_execution_failed_event_attributes.failure.message if events else ""
        return _Failure(
            name,
            description.close_time or datetime.now(UTC),
            cause_of(events, business_id, tenant),
            " ".join(reason.split()) or "its time was over",
        )

    async def _end(self, name: str, run_id: str) -> list[HistoryEvent]:
        """Return the last events of a history, in their order."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace,
            execution=Execution(workflow_id=name, run_id=run_id),
            maximum_page_size=TAIL,
        )
        service = self._client.workflow_service
        page = await retry_lost_namespace(lambda: service.get_workflow_execution_history_reverse(request, retry=True))
        return [*reversed(page.history.events)]


async def failed_since(client: Client, since: datetime, tenant: str | None) -> list[str]:
    """Return the workflow ids of runs that failed since a moment, each once, the oldest first."""
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    whose = f"{TENANT.name} IS NOT NULL" if tenant is None else f"{TENANT.name} = '{checked_name(tenant)}'"
    query = f"{whose} AND ExecutionStatus IN ('Failed', 'TimedOut') AND CloseTime >= '{since.isoformat()}'"
    try:
        executions: list[WorkflowExecution] = [run async for run in client.list_workflows(query)]
    except RPCError as error:
        raise cannot_list(error, "what failed") from None
    executions.sort(key=lambda run: (run.close_time or since, run.id))
    return list(dict.fromkeys(run.id for run in executions))


def _grouped(failures: list[_Failure]) -> tuple[FailureGroup, ...]:
    by_cause: dict[FailureCause, list[_Failure]] = {}
    for failure in sorted(failures, key=lambda failure: (failure.closed, failure.name)):
        by_cause.setdefault(failure.cause, []).append(failure)
    groups = [_group(cause, found) for cause, found in by_cause.items()]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.first)))


def _group(cause: FailureCause, failures: list[_Failure]) -> FailureGroup:
    tenant, example = split_workflow_id(failures[-1].name)
    return FailureGroup(
        cause=cause,
        count=len(failures),
        first=failures[0].closed,
        last=failures[-1].closed,
        tenant=tenant,
        example=example,
        reason=failures[-1].reason,
        remedy=remedy_of(cause),
        runs=tuple(failure.name for failure in failures),
    )
