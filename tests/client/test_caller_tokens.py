"""A caller's token is verified outside the run, which gets only a ticket; a refused token starts nothing."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.adapters.databases.open import open_database
from activities.adapters.signed_credentials import LEEWAY
from activities.adapters.sql.callers import SqlCallers
from activities.authorization.identities import identity
from activities.ports import BadCaller
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.caller import Identity, ticket_of
from perdure.contracts.runs.run import AgentRequest, AskRequest, ExtractRequest
from perdure.contracts.runs.schedules import Timetable
from perdure.errors import CallerRefused, RunConflict, UnknownRun
from perdure.launch import Request, digest_of
from perdure.runs import workflow_id
from tests.support.runs.caller_tokens import KEY, believing, token
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

QUESTION = "How many weeks of parental leave are paid in full?"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"callers": believing(KEY)})


@pytest_asyncio.fixture(loop_scope="session")
async def callers(settings: Settings) -> AsyncIterator[SqlCallers]:
    """Open the callers that the workers recorded, as another process does."""
    async with open_database(settings) as database:
        yield SqlCallers(database)


@pytest.fixture
def now() -> datetime:
    """Return the time for tokens: time skipping changes only the workflows' clocks."""
    return datetime.now(UTC)


async def ticket_in_history(client: Client, key: str) -> str | None:
    """Return the caller's ticket in the history of a run."""
    history = await client.get_workflow_handle(key).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    return json.loads(started.input.payloads[0].data)["caller"]


async def starter(client: Client, callers: SqlCallers, run: str, tenant: str = "default") -> Identity:
    """Return the identity of who started a run, as the effect that registers the run reads it."""
    key = workflow_id(tenant, run)
    seen = await client.get_workflow_handle(key).describe()
    ticket = await ticket_in_history(client, key)
    return await identity(callers, tenant, key, seen.run_id, ticket, started_at=seen.start_time)


@pytest.mark.usefixtures("working")
async def test_a_backend_says_for_each_run_who_starts_it(client: Client, callers: SqlCallers, now: datetime) -> None:
    service = Platform(client, caller_token=lambda: token("service", now=now, roles=("backend",)))
    own = await service.start(QUESTION)
    hers = await service.start(QUESTION, caller_token=token("ada", now=now, groups=("leads",)))
    assert await starter(client, callers, own) == Identity(subject="service", roles=("backend",))
    assert await starter(client, callers, hers) == Identity(subject="ada", groups=("leads",))
    assert await starter(client, callers, await Platform(client).start(QUESTION)) == Identity.anonymous()


@pytest.mark.usefixtures("working")
async def test_every_kind_of_run_is_started_by_somebody(client: Client, callers: SqlCallers, now: datetime) -> None:
    platform = Platform(client, caller_token=token("ada", tenant="acme", now=now))
    requests: list[Request] = [
        AskRequest.strictly({"question": QUESTION, "tenant": "acme"}),
        ExtractRequest.strictly(
            {"schema_name": "invoice", "file": {"name": "a.txt", "text": "Total 7"}, "tenant": "acme"}
        ),
        AgentRequest.strictly({"task": "Do it.", "agent": "support", "tenant": "acme", "started_by": "ada"}),
    ]
    for request in requests:
        run = await platform.start_request(request)
        assert (await starter(client, callers, run, "acme")).subject == "ada", request
        await client.get_workflow_handle(workflow_id("acme", run)).terminate()


@pytest.mark.usefixtures("working")
async def test_a_token_that_is_refused_starts_nothing(client: Client, now: datetime) -> None:
    for refused_token, cause in (
        (token(now=now, tenant="acme"), "not for this tenant"),
        (token(now=now - timedelta(hours=1)), "it has expired"),
        ("trust.me.now", "decode_error|no signed JWT"),
    ):
        run = str(uuid.uuid4())
        with pytest.raises(CallerRefused, match=f"^the caller's token was refused: .*({cause})") as failure:
            await Platform(client).start(QUESTION, business_id=run, caller_token=refused_token)
        assert refused_token not in str(failure.value)
        with pytest.raises(UnknownRun):
            await Platform(client).status(run)


@pytest.mark.parametrize("said", ["", "two words", "line\nbreak", "ångström", "x" * 20_000, 7, b"bytes"])
async def test_what_is_no_token_is_refused_before_it_is_sent(platform: Platform, said: Any) -> None:
    with pytest.raises(BadInput, match=r"^caller_token: ") as refused:
        await platform.start(QUESTION, caller_token=said)
    assert not said or str(said) not in str(refused.value).replace("the type 'bytes'", "")


@pytest.mark.usefixtures("working")
async def test_whoever_calls_themselves_something_else_starts_nothing(client: Client, now: datetime) -> None:
    run = str(uuid.uuid4())
    ask: Callable[..., Any] = Platform(client, caller_token=token("ada", now=now)).start_agent
    with pytest.raises(BadInput, match="started_by: names 'eve', and the caller's token is of 'ada'"):
        await ask("Do it.", agent="support", business_id=run, started_by="eve")
    with pytest.raises(UnknownRun):
        await Platform(client).status(run)


@pytest.mark.usefixtures("working")
async def test_the_same_request_with_a_newer_token_is_the_same_run(
    client: Client, callers: SqlCallers, now: datetime
) -> None:
    run, platform = str(uuid.uuid4()), Platform(client)
    first, newer = token("ada", now=now), token("ada", now=now + timedelta(seconds=1))
    for said in (first, first, newer, None):
        assert await platform.start(QUESTION, business_id=run, caller_token=said) == run
    assert await ticket_in_history(client, workflow_id("default", run)) == ticket_of(first, f"default:{run}")
    assert (await starter(client, callers, run)).subject == "ada"
    with pytest.raises(RunConflict):
        await platform.start("Who cleans the pond?", business_id=run, caller_token=newer)


def test_whoever_starts_it_makes_no_other_request() -> None:
    pond = AskRequest.strictly({"question": "Who cleans the pond?"})
    for request in (pond, pond.model_copy(update={"caller": "1" * 64})):
        # What a run was started with before requests named callers: it is found again by this.
        assert digest_of(request) == "cf81f26545c8600fa1553ded8f935259c0ebeb8b6cb8dbfbdb605455dab67d77"


@pytest.mark.usefixtures("working")
async def test_the_ticket_of_another_run_is_worth_nothing(client: Client, callers: SqlCallers, now: datetime) -> None:
    genuine_run = await Platform(client).start(QUESTION, caller_token=token("ada", now=now))
    ticket = await ticket_in_history(client, workflow_id("default", genuine_run))
    request = AskRequest.strictly({"question": QUESTION, "caller": ticket})
    copied_run = await Platform(client).start_request(request)
    with pytest.raises(BadCaller, match="made for another run"):
        await starter(client, callers, copied_run)
    assert (await starter(client, callers, genuine_run)).subject == "ada"


async def test_a_token_stays_good_while_no_worker_is_there(
    client: Client, settings: Settings, callers: SqlCallers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.callers.VERIFIED_WITHIN", timedelta(milliseconds=100))
    ends = datetime.now(UTC) + timedelta(seconds=6)  # what two clocks may differ by included
    expires = ends - timedelta(seconds=LEEWAY)
    said = token("ada", now=expires - timedelta(minutes=5), lifetime=timedelta(minutes=5))
    run = await Platform(client).start(QUESTION, caller_token=said)
    await until(lambda: datetime.now(UTC) > ends + timedelta(seconds=1), what="it has expired")
    ticket, key = ticket_of(said, f"default:{run}"), f"default:{run}"
    seen = await client.get_workflow_handle(key).describe()
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)

        async def known() -> bool:
            return await callers.redeem("default", ticket, key, seen.run_id, seen.start_time) is not None

        await until(known, what="the token is verified")
    assert await starter(client, callers, run) == Identity(subject="ada")


async def test_a_calendar_starts_runs_for_nobody(platform: Platform) -> None:
    request = AskRequest.strictly({"question": QUESTION, "caller": "1" * 64})
    with pytest.raises(BadInput, match="caller: a ticket is good for one run"):
        await platform.schedules.create("nightly", request, Timetable(cron=("0 3 * * *",)))
