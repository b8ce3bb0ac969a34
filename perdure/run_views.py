"""Views of runs, as a part of `Platform`: lists, timelines rebuilt from histories, and the histories themselves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.runs.beginning import Beginning
from perdure.contracts.runs.listing import RunFilter, RunState, RunSummary
from perdure.contracts.runs.run import AnyPhase, Phase
from perdure.contracts.runs.timeline import TimelineEntry
from perdure.contracts.temporal.search_attributes import AGENT, AWAITING_APPROVAL, COST_MICROS, OUTCOME, PHASE, STEPS
from perdure.history.beginning import LOOKED_AT, beginning_of
from perdure.history.timeline import Reader, next_execution
from perdure.runs import cannot_list, checked_id, client_error, retry_lost_namespace, split_workflow_id, workflow_id


def phase_named(phase: str) -> AnyPhase:
    """Return the phase with this name, of any kind of run. Raises `ValueError` for an unknown name."""
    return Phase(phase) if phase in {known.value for known in Phase} else AgentPhase(phase)


def state_named(status: WorkflowExecutionStatus | None) -> RunState:
    """Return the name of a Temporal state."""
    return cast("RunState", (status or WorkflowExecutionStatus.RUNNING).name.lower())


ENDED_BADLY = (
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.CANCELED,
)
"""The states of an execution that a retry or a reset may have left behind."""

AT_ONCE = 16
"""The number of runs that a list looks up at the same time."""


class RunViews:
    """The methods of `Platform` that show runs."""

    _client: Client

    @property
    def namespace(self) -> str:
        """The Temporal namespace that all runs are in."""
        return self._client.namespace

    @property
    def address(self) -> str:
        """The host and port of the Temporal server."""
        return self._client.service_client.config.target_host

    async def list_runs(self, which: RunFilter | None = None) -> tuple[RunSummary, ...]:
        """Return the runs that match the filter, the newest first. A new run appears after a moment.

        A failed run that was retried is listed once, in its current state.
        """
        chosen = RunFilter() if which is None else which
        runs: list[WorkflowExecution] = []
        listing = aiter(self._client.list_workflows(chosen.query, page_size=min(chosen.limit, 1000)))
        try:
            while batch := [run async for run in _up_to(chosen.limit - len(runs), listing)]:
                runs += await self._without_superseded(batch)
        except RPCError as error:
            raise cannot_list(error, "runs") from None
        return tuple(_summary(run) for run in runs)

    async def _without_superseded(self, runs: list[WorkflowExecution]) -> list[WorkflowExecution]:
        """Without executions that were left: the run goes on in another one. No search knows which these are."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def is_superseded(run: WorkflowExecution) -> bool:
            if run.status not in ENDED_BADLY:
                return False
            handle = self._client.get_workflow_handle(run.id, run_id=run.run_id)
            try:
                async with at_once:
                    description = await retry_lost_namespace(handle.describe)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return False  # the server has deleted it, and the search index has not yet
                raise
            return bool(description.raw_description.workflow_extended_info.reset_run_id)

        superseded = await asyncio.gather(*map(is_superseded, runs))
        return [run for run, gone in zip(runs, superseded, strict=True) if not gone]

    async def timeline(
        self, business_id: str, *, tenant: str = "default", follow: bool = False
    ) -> AsyncIterator[TimelineEntry]:
        """Yield what happened in a run, from its first event on; with `follow` also new entries, until the run is over.

        It is read from the history: the same for a running run, a closed one, and one without a worker. A run with
        several executions has one timeline. Raises `UnknownRun`.
        """
        reader, executions = Reader(), await self._executions(tenant, business_id)
        while executions:
            execution, following = executions.pop(0), ""
            async for event in self._events(tenant, business_id, execution, follow=follow):
                for entry in reader.read(event, execution):
                    yield entry
                following = next_execution(event) or following
            if following and not executions:
                executions.append(following)

    async def beginning(self, business_id: str, *, tenant: str = "default") -> Beginning:
        """Return what a run was asked for, and by whom. Raises `UnknownRun`."""
        events: list[HistoryEvent] = []
        oldest, *_ = await self._executions(tenant, business_id)
        async for event in self._events(tenant, business_id, oldest, follow=False):
            events.append(event)
            if len(events) == LOOKED_AT:
                break
        return beginning_of(events)

    async def executions(self, business_id: str, *, tenant: str = "default") -> tuple[WorkflowHistory, ...]:
        """Return the histories of a run, the oldest first: a long run has one for each execution.

        Raises `UnknownRun`.
        """
        return tuple(
            [
                WorkflowHistory(
                    workflow_id(tenant, business_id),
                    [event async for event in self._events(tenant, business_id, execution, follow=False)],
                )
                for execution in await self._executions(tenant, business_id)
            ]
        )

    async def _executions(self, tenant: str, business_id: str) -> list[str]:
        """Return the run ids of a run's executions, the oldest first. The server deletes the old ones of a long run."""
        name = workflow_id(tenant, checked_id(business_id))
        try:
            # For a run that was reset, this is the execution that continues; its first event names the one left behind.
            before = (await retry_lost_namespace(self._client.get_workflow_handle(name).describe)).run_id
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None
        run_ids: list[str] = []
        while True:
            handle = self._client.get_workflow_handle(name, run_id=before)
            try:
                event = await retry_lost_namespace(lambda handle=handle: _beginning(handle))
            except RPCError as error:
                if run_ids and error.status is RPCStatusCode.NOT_FOUND:
                    return run_ids
                raise client_error(error, business_id, tenant) from None
            started = event.workflow_execution_started_event_attributes
            run_ids.insert(0, before)
            before = started.continued_execution_run_id
            if not before:
                return run_ids

    async def _events(
        self, tenant: str, business_id: str, execution: str, *, follow: bool
    ) -> AsyncIterator[HistoryEvent]:
        handle: WorkflowHandle[Any, Any] = self._client.get_workflow_handle(
            workflow_id(tenant, business_id), run_id=execution
        )
        try:
            async for event in handle.fetch_history_events(wait_new_event=follow):
                yield event
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None


async def _up_to(count: int, listing: AsyncIterator[WorkflowExecution]) -> AsyncIterator[WorkflowExecution]:
    """Yield at most `count` of the remaining runs of a list."""
    for _ in range(count):
        try:
            yield await anext(listing)
        except StopAsyncIteration:
            return


async def _beginning(handle: WorkflowHandle[Any, Any]) -> HistoryEvent:
    return await anext(aiter(handle.fetch_history_events(page_size=1)))


def _summary(run: WorkflowExecution) -> RunSummary:
    tenant, business_id = split_workflow_id(run.id)
    labels = run.typed_search_attributes
    return RunSummary(
        business_id=business_id,
        tenant=tenant,
        workflow_id=run.id,
        temporal_run_id=run.run_id,
        kind=run.workflow_type,
        agent=labels.get(AGENT),
        state=state_named(run.status),
        phase=labels.get(PHASE),
        outcome=labels.get(OUTCOME),
        micro_dollars=labels.get(COST_MICROS),
        steps=labels.get(STEPS),
        awaiting=bool(labels.get(AWAITING_APPROVAL)),
        started=run.start_time,
        closed=run.close_time,
    )
