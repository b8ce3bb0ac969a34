"""A commit that was not acknowledged is repeated, and the ledger and the windows answer as if it ran once.

Without that, whoever was allowed to call would be told that somebody else was.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from activities.adapters.databases.database import Database
from activities.adapters.databases.postgres_database import open_postgres
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import Decided, Fresh, Granted, Recorded
from perdure.contracts.tool_calls.ledger import CallPhase, Word
from perdure.contracts.windows import Window
from tests.ports.databases.test_postgres_database import PATIENCE
from tests.support.faults.cutting_proxy import CuttingProxy, cutting
from tests.support.processes.calling import CALL, KEY
from tests.support.processes.reserving import ACTUAL, DAY, LIMIT, WORST
from tests.support.processes.reserving import KEY as RESERVATION
from tests.support.tool_calls.ledger_steps import SENT, decision

pytestmark = pytest.mark.postgres


class Cut(NamedTuple):
    """A database behind a proxy that cuts connections once they have committed."""

    database: Database
    proxy: CuttingProxy


@pytest_asyncio.fixture(loop_scope="session")
async def cut(postgres_url: str) -> AsyncIterator[Cut]:
    server = urlsplit(postgres_url)
    assert server.hostname is not None
    assert server.port is not None
    async with cutting(server.hostname, server.port, b"COMMIT") as proxy:
        database = open_postgres(postgres_url.replace(f":{server.port}/", f":{proxy.port}/"), PATIENCE)
        await database.bring_up()
        yield Cut(database, proxy)
        await database.dispose()


async def test_the_ledger_answers_as_if_it_were_done_once(cut: Cut) -> None:
    ledger = SqlEffectLedger(cut.database)
    cut.proxy.cuts = 2
    assert await ledger.intend(KEY, 1, CALL) == Fresh()
    assert cut.proxy.cuts == 0
    await ledger.intend(KEY, 2, CALL)
    cut.proxy.cuts = 1
    assert await ledger.decide(KEY, decision(1, Word.DID_NOT_HAPPEN, 1)) == Decided(CallPhase.CLEARED, None)
    cut.proxy.cuts = 1
    assert await ledger.intend(KEY, 2, CALL) == Fresh()
    cut.proxy.cuts = 1
    assert await ledger.record(KEY, 2, SENT) == Recorded(CallPhase.DONE, SENT, counts=True, late=False)
    assert cut.proxy.cuts == 0
    record = await ledger.look(KEY)
    assert record is not None
    assert [event.number for event in record.events] == [1, 2, 3, 4, 5]


async def test_a_window_counts_once(cut: Cut) -> None:
    windows = SqlBudgetWindows(cut.database)
    cut.proxy.cuts = 2
    assert await windows.reserve(RESERVATION, WORST, LIMIT) == Granted()
    assert cut.proxy.cuts == 0
    assert await windows.look("acme", DAY) == Window(reserved=WORST)
    cut.proxy.cuts = 1
    assert await windows.settle(RESERVATION, ACTUAL) == Window(settled=ACTUAL)
    assert cut.proxy.cuts == 0
