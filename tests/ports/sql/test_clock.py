"""One clock stands beside the database: whoever asks it, and whatever their own clocks show, times can be compared."""

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
    made = await ledger.intend(KEY, 1, CALL)
    found = await SqlEffectLedger(database).intend(KEY, 2, CALL)
    assert isinstance(made, Fresh)
    assert isinstance(found, Unknown)
    assert made.intended_at == found.intended_at == ahead


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
