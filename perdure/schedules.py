"""Schedules of runs that a calendar starts: each firing starts a run with a business id of its own."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import cast

from pydantic import TypeAdapter, ValidationError
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from perdure.calendars import calendar_spec
from perdure.contracts.contract import BadInput, explain
from perdure.contracts.runs.run import AgentRequest, AskRequest
from perdure.contracts.runs.schedules import Firing, Overlap, ScheduleName, ScheduleStatus, Timetable
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.temporal.search_attributes import AGENT, TENANT
from perdure.errors import PlatformError, ScheduleConflict, UnknownSchedule
from perdure.launch import TASK_TIMEOUT, Launch
from perdure.runs import cannot_list, retry_lost_namespace, split_workflow_id, workflow_id

CATCH_UP = timedelta(hours=1)
"""The default for how late a firing may be that a server missed while it was down. Temporal's own default is a year."""

_NAME: TypeAdapter[str] = TypeAdapter(ScheduleName)


class Schedules:
    """The schedules of a platform, as `platform.schedules`."""

    def __init__(self, client: Client, task_queue: Queue) -> None:
        self._client = client
        self._task_queue = task_queue

    async def create(
        self,
        name: str,
        request: AskRequest | AgentRequest,
        timetable: Timetable,
        *,
        overlap: Overlap = Overlap.SKIP,
        catch_up: timedelta = CATCH_UP,
        paused: bool = False,
        note: str = "",
    ) -> None:
        """Start this request repeatedly, as the timetable says.

        The runs belong to the request's tenant. A run's business id is the schedule's name and the scheduled moment in
        UTC, `nightly-2026-11-24T03:00:00Z`. So each id is unique, and a repeated firing starts nothing. Each run pins
        its spec when it starts, so an edited agent applies from the next firing on. `catch_up` is how late a missed
        firing may still start. Raises `BadInput` for invalid input and `ScheduleConflict` for a name that is taken.
        """
        if request.caller is not None:
            raise BadInput("caller: a ticket is good for one run: whoever a calendar starts runs for is anonymous")
        if request.budget.until is not None:
            raise BadInput(
                f"budget.until: no run after {request.budget.until:%Y-%m-%d %H:%M} could do anything "
                f"(got {request.budget.until.isoformat()!r}): end the timetable there instead"
            )
        launch, key = Launch.of(request, self._task_queue), workflow_id(request.tenant, _checked(name))
        action = ScheduleActionStartWorkflow(
            launch.kind,
            request,
            id=key,
            task_queue=launch.task_queue,
            memo=launch.memo,
            task_timeout=TASK_TIMEOUT,
            static_summary=f"{launch.summary}, by the schedule {name}",
            typed_search_attributes=launch.search_attributes,
        )
        schedule = Schedule(
            action=action,
            spec=_spec(timetable),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy[overlap.name], catchup_window=catch_up),
            state=ScheduleState(paused=paused, note=note or None),
        )
        attributes = [SearchAttributePair(TENANT, request.tenant), SearchAttributePair(AGENT, launch.agent)]
        try:
            await retry_lost_namespace(
                lambda: self._client.create_schedule(key, schedule, search_attributes=TypedSearchAttributes(attributes))
            )
        except ScheduleAlreadyRunningError:
            raise ScheduleConflict(
                f"tenant {request.tenant!r} has a schedule {name!r} already: delete it first, or choose another name"
            ) from None
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                values = ", ".join(repr(part) for part in (*timetable.cron, timetable.time_zone) if part)
                raise BadInput(
                    f"timetable: the Temporal server cannot use it: {error.message} (got {values})"
                ) from None
            raise _refusal(error, name, request.tenant) from None

    async def list(self, *, tenant: str | None = "default") -> tuple[ScheduleStatus, ...]:
        """Return the schedules of a tenant, or with None of all tenants. A new one appears after a moment."""
        query = "Tenant IS NOT NULL" if tenant is None else f"Tenant = '{_checked(tenant, 'tenant')}'"
        try:
            listing = await self._client.list_schedules(query)
            return tuple([_status_in_list(entry) async for entry in listing])
        except RPCError as error:
            raise cannot_list(error, "schedules") from None

    async def status(self, name: str, *, tenant: str = "default") -> ScheduleStatus:
        """Return the status of a schedule. Raises `UnknownSchedule`."""
        try:
            description = await retry_lost_namespace(self._handle(tenant, name).describe)
        except RPCError as error:
            raise _refusal(error, name, tenant) from None
        action = cast("ScheduleActionStartWorkflow", description.schedule.action)
        return ScheduleStatus(
            name=name,
            tenant=tenant,
            kind=action.workflow,
            agent=description.typed_search_attributes.get(AGENT),
            paused=description.schedule.state.paused,
            note=description.schedule.state.note or "",
            overlap=Overlap[description.schedule.policy.overlap.name],
            next_times=tuple(description.info.next_action_times),
            recent=tuple(_firing(result) for result in description.info.recent_actions),
            fired=description.info.num_actions,
            skipped=description.info.num_actions_skipped_overlap,
        )

    async def pause(self, name: str, *, tenant: str = "default", note: str = "") -> None:
        """Start no runs until the schedule is resumed. Running runs continue. Raises `UnknownSchedule`."""
        await self._apply(name, tenant, lambda handle: handle.pause(note=note or None))

    async def resume(self, name: str, *, tenant: str = "default", note: str = "") -> None:
        """Continue with the next firing. Missed firings are not made up for. Raises `UnknownSchedule`."""
        await self._apply(name, tenant, lambda handle: handle.unpause(note=note or None))

    async def trigger(self, name: str, *, tenant: str = "default", overlap: Overlap | None = None) -> None:
        """Fire now, also where the schedule is paused. Two triggers within one second start one run.

        `overlap` is the rule for this firing; None for the schedule's own. Raises `UnknownSchedule`.
        """
        policy = None if overlap is None else ScheduleOverlapPolicy[overlap.name]
        await self._apply(name, tenant, lambda handle: handle.trigger(overlap=policy))

    async def delete(self, name: str, *, tenant: str = "default") -> None:
        """Delete a schedule. The runs that it started continue. Raises `UnknownSchedule`."""
        await self._apply(name, tenant, lambda handle: handle.delete())

    async def _apply(self, name: str, tenant: str, change: Callable[[ScheduleHandle], Awaitable[None]]) -> None:
        handle = self._handle(tenant, name)
        try:
            await retry_lost_namespace(lambda: change(handle))
        except RPCError as error:
            raise _refusal(error, name, tenant) from None

    def _handle(self, tenant: str, name: str) -> ScheduleHandle:
        return self._client.get_schedule_handle(workflow_id(_checked(tenant, "tenant"), _checked(name)))


def _checked(name: str, what: str = "schedule") -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise BadInput(f"{what}: {explain(error).removeprefix('input: ')}") from None


def _spec(timetable: Timetable) -> ScheduleSpec:
    return ScheduleSpec(
        cron_expressions=list(timetable.cron),
        calendars=[calendar_spec(calendar) for calendar in timetable.calendars],
        intervals=[ScheduleIntervalSpec(every=every) for every in timetable.every],
        time_zone_name=timetable.time_zone,
        start_at=timetable.begins,
        end_at=timetable.ends,
        jitter=timetable.jitter or None,
    )


def _refusal(error: RPCError, name: str, tenant: str) -> PlatformError:
    if error.status is RPCStatusCode.NOT_FOUND:
        return UnknownSchedule(f"tenant {tenant!r} has no schedule {name!r}")
    return PlatformError(f"the Temporal server refused ({error.status.name.lower()}): {error.message}")


def _firing(result: ScheduleActionResult) -> Firing:
    started = cast("ScheduleActionExecutionStartWorkflow", result.action)
    _, business_id = split_workflow_id(started.workflow_id)
    return Firing(business_id=business_id, scheduled=result.scheduled_at, started=result.started_at)


def _status_in_list(entry: ScheduleListDescription) -> ScheduleStatus:
    tenant, name = split_workflow_id(entry.id)
    schedule, info = entry.schedule, entry.info
    return ScheduleStatus(
        name=name,
        tenant=tenant,
        kind=cast("ScheduleListActionStartWorkflow", schedule.action).workflow if schedule else "unknown",
        agent=entry.typed_search_attributes.get(AGENT),
        paused=bool(schedule and schedule.state.paused),
        note=(schedule.state.note or "") if schedule else "",
        next_times=tuple(info.next_action_times) if info else (),
        recent=tuple(_firing(result) for result in info.recent_actions) if info else (),
    )
