"""A ticket gives the caller's identity to the first run that redeems it and to no other; an identity never changes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from activities.adapters.databases.database import Database
from activities.adapters.sql.callers import LEEWAY, TOKEN_WAIT, SqlCallers
from activities.ports import BadCaller, Callers, ShownCaller
from perdure.contracts.runs.caller import Identity

TICKET, OTHER = "1" * 64, "2" * 64
ADA = Identity(subject="ada", groups=("leads",), roles=("clerk",))
SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPIRES = SENT + timedelta(minutes=5)
SHOWN = ShownCaller(TICKET, "acme:one", SENT, ADA, EXPIRES)
REFUSED = ShownCaller(TICKET, "acme:one", SENT, refused="it has expired")


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = SENT

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def callers(database: Database, time: Time) -> Callers:
    return SqlCallers(database, time)


async def test_the_run_that_a_token_was_shown_for_hears_who_starts_it_as_often_as_it_asks(
    callers: Callers, reopened: Database
) -> None:
    assert await callers.show("acme", SHOWN) == ADA
    assert [await callers.redeem("acme", TICKET, "acme:one", "first") for _ in range(3)] == [ADA] * 3
    assert await SqlCallers(reopened).redeem("acme", TICKET, "acme:one", "first") == ADA, "in another process too"


async def test_a_ticket_that_a_run_has_used_up_is_refused_to_the_next_one_under_the_same_id(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    await callers.redeem("acme", TICKET, "acme:one", "first")
    await callers.show("acme", SHOWN)  # the same token shown again makes it no newer
    with pytest.raises(BadCaller, match="used up by an earlier run"):
        await callers.redeem("acme", TICKET, "acme:one", "second")
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA


async def test_of_many_runs_that_redeem_a_ticket_at_once_one_is_believed(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    calls = (callers.redeem("acme", TICKET, "acme:one", f"run-{number}") for number in range(12))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers.count(ADA) == 1
    assert sum(isinstance(each, BadCaller) for each in answers) == 11


async def test_the_ticket_of_another_run_is_worth_nothing(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    with pytest.raises(BadCaller, match="made for another run"):
        await callers.redeem("acme", TICKET, "acme:two", "second")
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA, "nor is it used up by that"


async def test_the_ticket_of_another_tenant_is_unknown(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    assert await callers.redeem("other", TICKET, "acme:one", "first") is None


async def test_a_refused_token_is_refused_with_the_reason(callers: Callers) -> None:
    assert await callers.show("acme", REFUSED) is None
    for _ in range(2):
        with pytest.raises(BadCaller, match="the caller's token was refused: it has expired"):
            await callers.redeem("acme", TICKET, "acme:one", "first")


async def test_an_identity_replaces_a_refusal_and_a_refusal_no_identity(callers: Callers) -> None:
    answers = [await callers.show("acme", caller) for caller in (REFUSED, SHOWN, REFUSED)]
    assert answers == [None, ADA, ADA]
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA


async def test_the_first_identity_stays(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    eve = ShownCaller(TICKET, "acme:one", SENT, Identity(subject="eve"), EXPIRES)
    assert await callers.show("acme", eve) == ADA
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA


async def test_a_run_waits_a_minute_for_its_token_and_then_fails_with_the_reason(callers: Callers, time: Time) -> None:
    assert await callers.redeem("acme", TICKET, "acme:one", "first") is None
    time.now += TOKEN_WAIT
    assert await callers.redeem("acme", TICKET, "acme:one", "first") is None
    time.now += timedelta(seconds=1)
    with pytest.raises(BadCaller, match="nobody has shown the token of the caller's ticket within 60 s"):
        await callers.redeem("acme", TICKET, "acme:one", "first")


async def test_the_minute_begins_when_the_run_can_ask_and_is_the_same_for_all_workers(
    callers: Callers, reopened: Database, time: Time
) -> None:
    time.now += timedelta(hours=5)  # an outage
    assert await callers.redeem("acme", TICKET, "acme:one", "first") is None
    time.now += timedelta(minutes=2)
    with pytest.raises(BadCaller, match="nobody has shown"):
        await SqlCallers(reopened, time).redeem("acme", TICKET, "acme:one", "first")


async def test_a_token_that_is_shown_while_the_run_waits_counts(callers: Callers) -> None:
    assert await callers.redeem("acme", TICKET, "acme:one", "first") is None
    assert await callers.show("acme", SHOWN) == ADA
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA


async def test_whoever_waits_with_another_runs_ticket_takes_no_time_from_that_run(callers: Callers, time: Time) -> None:
    assert await callers.redeem("acme", TICKET, "acme:two", "thief") is None
    time.now += timedelta(minutes=2)
    assert await callers.redeem("acme", TICKET, "acme:one", "first") is None
    await callers.show("acme", SHOWN)
    with pytest.raises(BadCaller, match="made for another run"):
        await callers.redeem("acme", TICKET, "acme:two", "thief")
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA


async def test_a_run_that_is_started_after_the_token_had_expired_is_refused(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    with pytest.raises(BadCaller, match=r"had expired at .* before the run was started"):
        await callers.redeem("acme", TICKET, "acme:one", "first", EXPIRES + LEEWAY + timedelta(seconds=1))
    in_time = EXPIRES + LEEWAY
    assert await callers.redeem("acme", TICKET, "acme:one", "first", in_time) == ADA
    a_reset = EXPIRES + timedelta(days=1)
    assert await callers.redeem("acme", TICKET, "acme:one", "first", a_reset) == ADA, "it was started in time"


async def test_two_tickets_are_two(callers: Callers) -> None:
    await callers.show("acme", SHOWN)
    await callers.show("acme", ShownCaller(OTHER, "acme:two", SENT, refused="no"))
    assert await callers.redeem("acme", TICKET, "acme:one", "first") == ADA
    with pytest.raises(BadCaller):
        await callers.redeem("acme", OTHER, "acme:two", "second")
