"""Schedules start agents and chains by a calendar; each firing starts a run with an id of its own."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from perdure.calendars import calendar_spec
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import AgentRequest, AskRequest
from perdure.contracts.runs.schedules import Calendar, Overlap, Timetable
from perdure.errors import ScheduleConflict, UnknownSchedule
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, answer, calls, waits
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

QUESTION = "How many weeks of parental leave are paid in full?"
YEARLY = Timetable(cron=("0 0 1 1 *",))


def new_name() -> str:
    return f"s{uuid.uuid4().hex[:8]}"


async def runs_of(platform: Platform, name: str, times: int) -> list[str]:
    """Return the runs that a schedule started, once there are `times` of them."""

    async def has_fired() -> bool:
        return len((await platform.schedules.status(name)).recent) >= times

    await until(has_fired, what=f"{name} has fired {times} times")
    return [firing.business_id for firing in (await platform.schedules.status(name)).recent]


async def test_a_schedule_hands_on_what_its_agent_has_to_do(cli: Cli, platform: Platform, stub: StubModel) -> None:
    stub.script = [answer("It is open."), answer("It really is.")]
    name, times = new_name(), ("--cron", "0 0 1 1 *", "--requires", "create_ticket")
    created = await cli("schedule", "create", name, "Open it.", "--agent", "tester", *times)
    assert created.code == 0, created.err
    await platform.schedules.trigger(name)
    [run] = await runs_of(platform, name, 1)
    assert (await platform.result(run)).outcome.kind == "unfinished"
    chain = await cli("schedule", "create", new_name(), QUESTION, "--chain", "handbook", *times)
    assert (chain.code, "--requires: a chain writes nothing" in chain.err) == (2, True)


async def test_a_schedule_that_fires_asks_its_question(cli: Cli, platform: Platform) -> None:
    name = new_name()
    created = await cli("schedule", "create", name, QUESTION, "--chain", "handbook", "--cron", "0 9 * * 1-5", "--json")
    assert created.code == 0, created.err
    assert [created.json[field] for field in ("kind", "agent", "overlap", "paused")] == [
        "chain",
        "handbook",
        "skip",
        False,
    ]
    next_firing = datetime.fromisoformat(created.json["next_times"][0])
    assert (next_firing.hour, next_firing.minute, next_firing.weekday() < 5) == (9, 0, True)
    assert (await cli("schedule", "trigger", name)).out == f"{name} fires\n"
    [run] = await runs_of(platform, name, 1)
    assert run.startswith(f"{name}-20")
    assert (await platform.result(run)).outcome.kind == "answered"
    output = await cli("show", run)
    assert output.code == 0, output.err
    assert "handbook" in output.out
    # A caller who asks the same question under this id finds the scheduled run.
    assert await platform.start(QUESTION, business_id=run) == run

    async def listed() -> bool:
        return name in {each.name for each in await platform.schedules.list()}

    await until(listed, what="the schedule is listed")
    paused = await cli("schedule", "pause", name, "--by", "ada", "--reason", "holidays")
    assert paused.out == f"{name} is paused by ada: holidays\n"
    status = await platform.schedules.status(name)
    assert (status.paused, status.note) == (True, "paused by ada: holidays")
    assert (await cli("schedule", "resume", name)).code == 0
    rows = [line.split("\t") for line in (await cli("schedule", "list")).out.splitlines()]
    assert [row[:2] for row in rows if row[0] == name] == [[name, "chain handbook"]]
    assert (await cli("schedule", "delete", name)).code == 0
    deleted = await cli("schedule", "show", name)
    assert (deleted.code, deleted.err) == (1, f"perdure: tenant 'default' has no schedule '{name}'\n")


async def test_each_firing_is_a_run_of_its_own(platform: Platform, stub: StubModel) -> None:
    stub.script = [answer(), answer(), answer()]
    name = new_name()
    request = AgentRequest.strictly({"task": "Look around.", "agent": "tester"})
    await platform.schedules.create(name, request, Timetable(every=(timedelta(seconds=1),)))
    runs = await runs_of(platform, name, 2)
    await platform.schedules.delete(name)
    assert len(set(runs)) == len(runs) >= 2
    for run in runs[:2]:
        assert (await platform.result(run)).outcome.kind == "answered"


async def test_what_would_overlap_follows_the_policy(platform: Platform, stub: StubModel) -> None:
    name = new_name()
    stub.script = [calls(MESSAGE), answer(), answer()]
    request = AgentRequest.strictly({"task": "Tell them.", "agent": "tester"})
    await platform.schedules.create(name, request, YEARLY)
    await platform.schedules.trigger(name)
    [run] = await runs_of(platform, name, 1)
    await waits(platform, run)

    async def skipped() -> bool:
        await platform.schedules.trigger(name)
        return (await platform.schedules.status(name)).skipped == 1

    await until(skipped, what="a firing is skipped", every=1.1)
    assert len((await platform.schedules.status(name)).recent) == 1
    await platform.schedules.trigger(name, overlap=Overlap.CANCEL_OTHER)
    assert (await platform.result(run)).outcome.kind == "cancelled"
    _, second_run = await runs_of(platform, name, 2)
    assert (await platform.result(second_run)).outcome.kind == "answered"
    await platform.schedules.delete(name)


async def test_a_schedule_refuses_what_it_cannot_use(platform: Platform) -> None:
    ask = AskRequest.strictly({"question": QUESTION})
    name = new_name()
    for timetable, message in (
        (Timetable(cron=("every day",)), "timetable: .* 5-7 fields .got 'every day'"),
        (Timetable(cron=("0 9 * * *",), time_zone="Mars/Olympus"), "timetable: .*Mars/Olympus"),
        (Timetable(calendars=(Calendar(hour="24"),)), "calendar.hour: there is no '24': use 0 to 23"),
        (Timetable(calendars=(Calendar(month="5-2"),)), "calendar.month: there is no '5-2'"),
        (Timetable(calendars=(Calendar(minute="*/0"),)), "calendar.minute: the step"),
    ):
        with pytest.raises(BadInput, match=message):
            await platform.schedules.create(name, ask, timetable)
    with pytest.raises(BadInput, match=r"schedule: .*pattern.*'A b'"):
        await platform.schedules.create("A b", ask, YEARLY)
    expired_request = ask.model_copy(update={"budget": Budget(until=datetime(2030, 1, 1, tzinfo=UTC))})
    with pytest.raises(BadInput, match=r"budget.until: no run after 2030-01-01 .* end the timetable there"):
        await platform.schedules.create(name, expired_request, YEARLY)
    with pytest.raises(UnknownSchedule, match=f"tenant 'default' has no schedule '{name}'"):
        await platform.schedules.trigger(name)
    await platform.schedules.create(name, ask, YEARLY, paused=True)
    with pytest.raises(ScheduleConflict, match="delete it first, or choose another name"):
        await platform.schedules.create(name, ask, YEARLY)
    await platform.schedules.delete(name)


async def test_a_tenant_sees_its_own_schedules(platform: Platform, client: Client) -> None:
    del client
    tenant, name = new_name(), new_name()
    ask = AskRequest.strictly({"question": QUESTION, "tenant": tenant})
    await platform.schedules.create(name, ask, YEARLY, paused=True)

    async def listed() -> bool:
        return [each.name for each in await platform.schedules.list(tenant=tenant)] == [name]

    await until(listed, what="the schedule is listed")
    with pytest.raises(UnknownSchedule):
        await platform.schedules.delete(name)
    await platform.schedules.delete(name, tenant=tenant)


def test_a_calendar_says_ranges_and_steps() -> None:
    spec = calendar_spec(Calendar(hour="9-17/4,20", day_of_week="1-5", minute="*/15"))
    assert [(part.start, part.end, part.step) for part in spec.hour] == [(9, 17, 4), (20, 20, 1)]
    assert [(part.start, part.end, part.step) for part in spec.minute] == [(0, 59, 15)]
    assert [(part.start, part.end, part.step) for part in spec.day_of_month] == [(1, 31, 1)]
    assert list(spec.year) == []
