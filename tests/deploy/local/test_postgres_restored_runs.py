"""A run over PostgreSQL goes on from an older history and repeats nothing that the newer ledger has recorded."""

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
    """Start the stack over the platform's database at this address; Temporal's database is a file."""
    with embedded_stack(
        Checkout(ROOT), state=folder / "state", agents=folder / "agents", settings={OURS: address}
    ) as running:
        yield running


def copy_of_temporals(folder: Path) -> Path:
    """Return a consistent copy of Temporal's database, which the server writes to meanwhile."""
    copy = folder / "temporal.db"
    with closing(sqlite3.connect(folder / "state" / "temporal.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def put_back(copy: Path, folder: Path) -> None:
    """Put the copy in the place of Temporal's database, after its server has stopped."""
    for leftover in ("temporal.db-wal", "temporal.db-shm"):
        (folder / "state" / leftover).unlink(missing_ok=True)
    shutil.copy(copy, folder / "state" / "temporal.db")


async def approved(platform: Platform) -> str:
    """Approve the waiting step, and return how the run ended."""
    [step] = await waits(platform, "sent")
    assert isinstance((await platform.decide("sent", says(step, Ruling.APPROVE))).came, Accepted)
    result = await platform.result("sent")
    assert isinstance(result.outcome, Answered)
    return result.outcome.answer.body or ""


async def test_a_newer_ledger_answers_an_older_history(postgres: PostgresServer, folder: Path) -> None:
    source, target = databases(postgres), databases(postgres)
    with stack_over(source[OURS], folder) as stack:
        async with await stack.platform() as platform:
            await platform.start_agent(SENT.task("Tell them."), agent="tester", business_id="sent")
            await waits(platform, "sent")
            copy = copy_of_temporals(folder)
            assert await approved(platform) == "It is sent."
            run_commands(DUMP, source, folder)
        [(key, times)] = stack.desk.received("messages").items()
        assert times == 1
        billed_calls = stack.stub.bill.calls("sent")
        assert len(billed_calls) == 2
    # Temporal's database is from while the run waited, the platform's from after it was done.
    put_back(copy, folder)
    run_commands(RESTORE, target, folder)
    with stack_over(target[OURS], folder) as stack:
        async with await stack.platform() as platform:
            assert await approved(platform) == "It is sent."
        assert stack.desk.received("messages") == {key: 1}
        assert stack.stub.bill.calls("sent") == billed_calls


async def test_a_ledger_from_before_the_run_lets_it_do_nothing(postgres: PostgresServer, folder: Path) -> None:
    source, target = databases(postgres), databases(postgres)
    with stack_over(source[OURS], folder) as stack:
        async with await stack.platform() as platform:
            run_commands(DUMP, source, folder)
            await platform.start_agent(SENT.task("Tell them."), agent="tester", business_id="sent")
            await waits(platform, "sent")
        billed_calls = stack.stub.bill.calls("sent")
    # Temporal's database is from while the run waited, the platform's from before the run.
    run_commands(RESTORE, target, folder)
    with stack_over(target[OURS], folder) as stack:
        async with await stack.platform() as platform:
            [step] = await waits(platform, "sent")
            notice = (await platform.decide("sent", says(step, Ruling.APPROVE))).came
            assert isinstance(notice, Rejected)
            assert "'default:sent' is not registered" in notice.reason
            assert await platform.pending("sent") == (step,)
        assert stack.desk.received("messages") == {}
        assert stack.stub.bill.calls("sent") == billed_calls
