"""A run over PostgreSQL goes on from an older history, and does and buys nothing that the newer ledger knows."""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from activities.settings import ROOT
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Accepted, Rejected, Ruling
from perdure.testing import Checkout, RunningStack, embedded_stack
from perdure.testing.script import Script, answer, calls
from tests.services.postgres_server import PostgresServer
from tests.support.runs.agent_runs import MESSAGE, says, waits, write_agent
from tests.support.stores.documented_backup import DUMP, OURS, RESTORE, databases, run_commands

pytestmark = [pytest.mark.chaos, pytest.mark.postgres, pytest.mark.timeout(600)]

SENT = Script.of("sent", [calls(MESSAGE), answer("It is sent.")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "agents").mkdir()
    write_agent(tmp_path / "agents")
    return tmp_path


@contextmanager
def stack_over(address: str, folder: Path) -> Generator[RunningStack]:
    """The stack whose database of ours is at this address; Temporal's is a file."""
    with embedded_stack(
        Checkout(ROOT), state=folder / "state", agents=folder / "agents", settings={OURS: address}
    ) as up:
        yield up


def copy_of_temporals(folder: Path) -> Path:
    """A consistent copy of Temporal's database, which others write to."""
    copy = folder / "temporal.db"
    with closing(sqlite3.connect(folder / "state" / "temporal.db")) as there, closing(sqlite3.connect(copy)) as here:
        there.backup(here)
    return copy


def put_back(copy: Path, folder: Path) -> None:
    """Put the copy in the place of Temporal's database, once nobody has that open."""
    for leftover in ("temporal.db-wal", "temporal.db-shm"):
        (folder / "state" / leftover).unlink(missing_ok=True)
    shutil.copy(copy, folder / "state" / "temporal.db")


async def approved(platform: Platform) -> str:
    """Approve what waits, and return how the run ended."""
    [step] = await waits(platform, "sent")
    assert isinstance((await platform.decide("sent", says(step, Ruling.APPROVE))).came, Accepted)
    result = await platform.result("sent")
    assert isinstance(result.outcome, Answered)
    return result.outcome.answer.body or ""


async def test_a_newer_ledger_answers_an_older_history(postgres: PostgresServer, folder: Path) -> None:
    before, after = databases(postgres), databases(postgres)
    with stack_over(before[OURS], folder) as stack:
        async with await stack.platform() as platform:
            await platform.start_agent(SENT.task("Tell them."), agent="tester", business_id="sent")
            await waits(platform, "sent")
            copy = copy_of_temporals(folder)
            assert await approved(platform) == "It is sent."
            run_commands(DUMP, before, folder)
        [(key, times)] = stack.desk.received("messages").items()
        assert times == 1
        bought = stack.stub.bill.calls("sent")
        assert len(bought) == 2
    # Temporal's as of when the run waited, and ours as of when it was done.
    put_back(copy, folder)
    run_commands(RESTORE, after, folder)
    with stack_over(after[OURS], folder) as stack:
        async with await stack.platform() as platform:
            assert await approved(platform) == "It is sent."
        assert stack.desk.received("messages") == {key: 1}
        assert stack.stub.bill.calls("sent") == bought


async def test_a_ledger_from_before_the_run_lets_it_do_nothing(postgres: PostgresServer, folder: Path) -> None:
    before, after = databases(postgres), databases(postgres)
    with stack_over(before[OURS], folder) as stack:
        async with await stack.platform() as platform:
            run_commands(DUMP, before, folder)
            await platform.start_agent(SENT.task("Tell them."), agent="tester", business_id="sent")
            await waits(platform, "sent")
        bought = stack.stub.bill.calls("sent")
    # Temporal's as of when the run waited, and ours as of when nobody had heard of it.
    run_commands(RESTORE, after, folder)
    with stack_over(after[OURS], folder) as stack:
        async with await stack.platform() as platform:
            [step] = await waits(platform, "sent")
            notice = (await platform.decide("sent", says(step, Ruling.APPROVE))).came
            assert isinstance(notice, Rejected)
            assert "'default:sent' is not registered" in notice.reason
            assert await platform.pending("sent") == (step,)
        assert stack.desk.received("messages") == {}
        assert stack.stub.bill.calls("sent") == bought
