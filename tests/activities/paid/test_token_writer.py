"""The token writer puts all text of a paid call into the token log, and never fails or delays the call."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from activities.adapters.telemetry import log_lost_tokens
from activities.adapters.tokens.sql_token_log import SqlTokenLog, open_token_database
from activities.paid import token_writer
from activities.paid.token_writer import TokenWriter
from activities.ports import End, LogEntry, Piece, Position, Reset, StorageFailed
from perdure.contracts.chains.steps import StepKey
from tests.support.processes.token_reader import Reader

KEY = StepKey(tenant="acme", workflow_id="acme/ticket-1", run_id="run-1", step="generate-1")

Losses: TypeAlias = list[tuple[StepKey, int, Exception]]


@pytest_asyncio.fixture(loop_scope="session")
async def log(tmp_path: Path) -> AsyncIterator[SqlTokenLog]:
    database = open_token_database(tmp_path / "tokens.db")
    yield SqlTokenLog(database, every=timedelta(milliseconds=5))
    await database.dispose()


@pytest.fixture
def lost() -> Losses:
    return []


def writer(log: SqlTokenLog, lost: Losses, attempt: int = 1, gate: str | None = None) -> TokenWriter:
    return TokenWriter(log, KEY, attempt, gate, lost=lambda key, attempt, error: lost.append((key, attempt, error)))


async def entries_of(log: SqlTokenLog) -> list[LogEntry]:
    async with asyncio.timeout(20):
        return [entry async for entry in log.read(KEY)]


def lock(path: Path) -> sqlite3.Connection:
    """Hold the write lock of a database until the connection is closed."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_the_first_piece_is_shown_at_once_and_the_others_gather(log: SqlTokenLog, lost: Losses) -> None:
    reader = Reader(log, KEY)
    async with asyncio.timeout(20), writer(log, lost) as write:
        await write("Six")
        reading = asyncio.create_task(reader.to_the_end())
        await reader.until("Six", attempt=1)
        began = time.monotonic()
        for _ in range(500):
            await write(" wee")
            await asyncio.sleep(0)
    await reading
    seconds = time.monotonic() - began
    assert reader.text == "Six" + " wee" * 500
    pieces = [entry for entry in await entries_of(log) if isinstance(entry, Piece)]
    # The second write may come at once, and the last does not wait for its interval.
    assert 2 <= len(pieces) <= 3 + seconds / token_writer.PACE.total_seconds()
    assert lost == []


async def test_a_gated_attempt_is_shown_when_its_gate_opens(log: SqlTokenLog, lost: Losses) -> None:
    async with writer(log, lost, gate="screened") as write:
        await write("Six")
    reading = asyncio.create_task(entries_of(log))
    await log.open("acme", "run-1", "screened")
    assert await reading == [Reset(Position(1)), Piece("Six", Position(1, 3)), End(Position(1, 3))]


async def test_an_attempt_that_says_nothing_ends_all_the_same(log: SqlTokenLog, lost: Losses) -> None:
    reading = asyncio.create_task(entries_of(log))
    async with writer(log, lost):
        pass
    assert await reading == [Reset(Position(1)), End(Position(1))]
    assert lost == []


async def test_a_later_attempt_voids_what_was_shown_before_it_says_anything(log: SqlTokenLog, lost: Losses) -> None:
    async with writer(log, lost) as write:
        await write("Six")
    reader = Reader(log, KEY)
    await reader.to_the_end()
    assert reader.text == "Six"
    async with asyncio.timeout(20), writer(log, lost, attempt=2) as write:
        while reader.at.attempt == 1:
            await reader.entry()
        assert reader.text == ""
        await write("Seven")
    await reader.to_the_end()
    assert reader.text == "Seven"


async def test_an_attempt_ends_also_when_its_call_fails(log: SqlTokenLog, lost: Losses) -> None:
    async def call() -> None:
        async with writer(log, lost) as write:
            await write("Six")
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await call()
    assert await entries_of(log) == [Reset(Position(1)), Piece("Six", Position(1, 3)), End(Position(1, 3))]


async def test_an_attempt_ends_also_when_its_call_is_cancelled_twice(
    log: SqlTokenLog, lost: Losses, tmp_path: Path
) -> None:
    written, leaving = asyncio.Event(), asyncio.Event()

    async def call() -> None:
        async with writer(log, lost) as write:
            await write("Six")
            written.set()
            try:
                await asyncio.Event().wait()
            finally:
                leaving.set()

    calling = asyncio.create_task(call())
    await written.wait()
    await log.begin(KEY, 1)  # the file exists
    other = lock(tmp_path / "tokens.db")
    calling.cancel()
    await leaving.wait()
    await asyncio.wait({calling}, timeout=0.05)
    assert not calling.done()  # the end cannot be written yet
    calling.cancel()
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert await entries_of(log) == [Reset(Position(1)), Piece("Six", Position(1, 3)), End(Position(1, 3))]
    assert lost == []


async def test_a_log_that_cannot_be_written_is_told_once_and_disturbs_nobody(lost: Losses, tmp_path: Path) -> None:
    (tmp_path / "tokens.db").write_bytes(b"something else entirely " * 100)
    database = open_token_database(tmp_path / "tokens.db")
    async with writer(SqlTokenLog(database), lost) as write:
        for _ in range(3):
            await write("Six")
    await database.dispose()
    [(key, attempt, error)] = lost
    assert (key, attempt) == (KEY, 1)
    assert isinstance(error, StorageFailed)
    assert "file is not a database" in str(error)


async def test_a_log_that_fails_on_the_way_is_told_once(log: SqlTokenLog, lost: Losses) -> None:
    reader = Reader(log, KEY)
    async with asyncio.timeout(20), writer(log, lost) as write:
        await write("Six")
        while reader.text != "Six":
            await reader.entry()
        assert await log.forget(timedelta(0)) == 1
        await write(" weeks")
        await write(" long")
    assert [str(error).split(": ")[-1] for _, _, error in lost] == ["begin it first"]


async def test_a_log_that_hangs_holds_up_no_call(
    log: SqlTokenLog,
    lost: Losses,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_writer, "PATIENCE", timedelta(milliseconds=100))
    await log.begin(KEY, 1)
    other = lock(tmp_path / "tokens.db")
    began = time.monotonic()
    async with writer(log, lost, 2) as write:
        await write("Six")
        assert time.monotonic() - began < 0.1
    seconds = time.monotonic() - began
    other.close()
    assert 0.1 <= seconds < 5  # SQLite alone would wait for 20 seconds
    [(_, attempt, error)] = lost
    assert attempt == 2
    assert "was given up 0.1 s after the call" in str(error)


async def test_a_writer_of_a_voided_attempt_says_nothing_and_loses_nothing(log: SqlTokenLog, lost: Losses) -> None:
    async with writer(log, lost, 1) as late:
        await late("Six")
        async with writer(log, lost, 2) as write:
            await write("Ten")
        await late(" weeks")
    assert await entries_of(log) == [Reset(Position(2)), Piece("Ten", Position(2, 3)), End(Position(2, 3))]
    assert lost == []


def test_what_is_lost_is_one_event_that_quotes_only_a_ports_own_words() -> None:
    with capture_logs() as events:
        log_lost_tokens(KEY, 2, StorageFailed("the disk is gone"))
        log_lost_tokens(KEY, 2, UnicodeEncodeError("utf-8", "a secret", 0, 1, "of the prompt"))
    event = {"event": "tokens_lost", "log_level": "warning", "step": "generate-1", "paid_attempt": 2}
    assert events == [
        {**event, "error": "StorageFailed", "reason": "the disk is gone"},
        {**event, "error": "UnicodeEncodeError", "reason": ""},
    ]
