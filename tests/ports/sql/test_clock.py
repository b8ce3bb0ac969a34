"""All times come from one clock beside the database, so they can be compared whatever the workers' clocks show."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from activities.adapters.databases.database import Database
from activities.adapters.sql.clock import DatabaseClock, now
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import Fresh, Unknown
from tests.support.processes.calling import CALL, KEY


async def test_an_intents_time_is_the_same_for_who_made_it_and_who_finds_it_by_the_ledgers_own_clock(
    database: Database,
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    ledger = SqlEffectLedger(database, now=lambda _: ahead)
    intent = await ledger.intend(KEY, 1, CALL)
    unknown = await SqlEffectLedger(database).intend(KEY, 2, CALL)
    assert isinstance(intent, Fresh)
    assert isinstance(unknown, Unknown)
    assert intent.intended_at == unknown.intended_at == ahead


async def test_the_clock_beside_the_database_goes_on_and_is_utc(database: Database) -> None:
    clock = DatabaseClock(database)
    times = [await clock.now() for _ in range(3)]
    assert times == sorted(times)
    assert {time.utcoffset() for time in times} == {timedelta(0)}
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(minutes=1), "the same machine, in these tests"


async def test_within_a_transaction_the_clock_says_when_it_is_asked_and_not_when_it_began(database: Database) -> None:
    def twice(connection: Connection) -> tuple[datetime, datetime]:
        first = now(connection)
        time.sleep(0.01)
        return first, now(connection)

    first, second = await database.write(twice)
    assert second - first >= timedelta(milliseconds=10)
