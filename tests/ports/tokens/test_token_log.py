"""What every token log promises."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from activities.ports import End, LogEntry, Piece, Position, Reset, StorageFailed, TokenLog
from perdure.contracts.chains.steps import StepKey
from tests.support.processes.token_reader import Reader

KEY = StepKey(tenant="acme", workflow_id="acme/ticket-1", run_id="run-1", step="generate-1")

TEXT = "né🙂e\u0301👩‍👩‍👧\x00\ud83d."
"""Characters of one to four bytes, one combined of two, one of five, a zero, and half of one."""


async def entries_of(log: TokenLog, key: StepKey = KEY, after: Position = Position()) -> list[LogEntry]:  # noqa: B008 - frozen
    """Return all entries until the end."""
    async with asyncio.timeout(20):
        return [entry async for entry in log.read(key, after)]


async def append(log: TokenLog, attempt: int, *texts: str, key: StepKey = KEY) -> int:
    """Append texts from the start of an attempt that has begun; return their length."""
    offset = 0
    for text in texts:
        await log.append(key, Position(attempt, offset), text)
        offset += len(text)
    return offset


async def write_attempt(log: TokenLog, attempt: int, *texts: str, key: StepKey = KEY, gate: str | None = None) -> None:
    """Write an attempt from its beginning to its end."""
    await log.begin(key, attempt, gate)
    await log.end(key, Position(attempt, await append(log, attempt, *texts, key=key)))


async def wait_until_all_is_read(log: TokenLog, other: TokenLog) -> None:
    """Wait until readers of both ends have seen all earlier entries, by writing another step and reading it."""
    key = KEY.model_copy(update={"run_id": uuid.uuid4().hex})
    await write_attempt(log, 1, "now", key=key)
    assert len(await entries_of(log, key)) == len(await entries_of(other, key)) == 3


async def test_a_reader_hears_an_attempt_from_its_beginning_to_its_end(log: TokenLog) -> None:
    await write_attempt(log, 1, "Six", " weeks.")
    assert await entries_of(log) == [
        Reset(Position(1, 0)),
        Piece("Six", Position(1, 3)),
        Piece(" weeks.", Position(1, 10)),
        End(Position(1, 10)),
    ]


async def test_a_reader_waits_for_what_another_process_will_say(logs: tuple[TokenLog, TokenLog]) -> None:
    log, other = logs
    reader = Reader(other, KEY)
    async with asyncio.timeout(20):
        reading = asyncio.create_task(reader.to_the_end())
        await log.begin(KEY, 1)
        await reader.until("", attempt=1)
        await log.append(KEY, Position(1, 0), "Six")
        await reader.until("Six", attempt=1)
        assert not reading.done()
        await log.append(KEY, Position(1, 3), " weeks.")
        await log.end(KEY, Position(1, 10))
        await reading
    assert reader.text == "Six weeks."


async def test_a_reader_that_goes_on_from_any_character_gets_exactly_the_rest(log: TokenLog) -> None:
    await write_attempt(log, 1, TEXT[:3], TEXT[3:4], TEXT[4:])
    for offset in range(len(TEXT) + 1):
        *pieces, end = await entries_of(log, after=Position(1, offset))
        assert end == End(Position(1, len(TEXT)))
        assert all(isinstance(piece, Piece) for piece in pieces)
        assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == TEXT[offset:]


async def test_writing_again_changes_nothing(log: TokenLog) -> None:
    await log.begin(KEY, 1)
    await append(log, 1, "Six", " weeks")
    await log.begin(KEY, 1)
    await append(log, 1, "Six", " weeks")
    await log.append(KEY, Position(1, 1), "ix we")
    await log.append(KEY, Position(1, 3), " weeks.")
    await log.end(KEY, Position(1, 10))
    await log.end(KEY, Position(1, 10))
    await append(log, 1, "Six", " weeks.")
    reader = Reader(log, KEY)
    await reader.to_the_end()
    assert reader.text == "Six weeks."


async def test_the_first_text_at_a_position_stays(log: TokenLog) -> None:
    await log.begin(KEY, 1)
    await append(log, 1, "Six")
    await write_attempt(log, 1, "Ten weeks")
    reader = Reader(log, KEY)
    await reader.to_the_end()
    assert reader.text == "Six weeks"


async def test_nothing_can_be_written_beyond_a_gap(log: TokenLog) -> None:
    await log.begin(KEY, 1)
    await append(log, 1, "🙂")
    with pytest.raises(StorageFailed, match="holds 1 characters, nothing can be written at 2: what comes between"):
        await log.append(KEY, Position(1, 2), "late")
    with pytest.raises(StorageFailed, match="holds 1 characters, it cannot end at 2"):
        await log.end(KEY, Position(1, 2))
    await log.end(KEY, Position(1, 1))
    assert [type(entry) for entry in await entries_of(log)] == [Reset, Piece, End]


async def test_nothing_can_be_written_before_the_beginning_or_after_the_end(log: TokenLog) -> None:
    with pytest.raises(StorageFailed, match="attempt 1, was not begun, or was forgotten: begin it first"):
        await log.append(KEY, Position(1, 0), "early")
    with pytest.raises(StorageFailed, match="was not begun"):
        await log.end(KEY, Position(1, 0))
    await write_attempt(log, 1, "Six")
    with pytest.raises(StorageFailed, match="ended after 3 characters: begin another attempt"):
        await log.append(KEY, Position(1, 3), " weeks")
    with pytest.raises(StorageFailed, match="attempt 2, was not begun"):
        await log.append(KEY, Position(2, 0), "early")


async def test_another_attempt_is_announced_and_voids_the_one_before(logs: tuple[TokenLog, TokenLog]) -> None:
    log, other = logs
    reader = Reader(other, KEY)
    async with asyncio.timeout(20):
        reading = asyncio.create_task(reader.to_the_end())
        await log.begin(KEY, 1)
        await append(log, 1, "Six")
        await reader.until("Six", attempt=1)
        await write_attempt(log, 2, "Ten")
        await reading
    assert reader.attempts == [1, 2]
    assert await entries_of(log) == [Reset(Position(2)), Piece("Ten", Position(2, 3)), End(Position(2, 3))]
    assert await entries_of(log, after=Position(1, 2)) == await entries_of(log)


async def test_a_late_writer_of_a_voided_attempt_is_ignored(log: TokenLog) -> None:
    await log.begin(KEY, 1)
    await append(log, 1, "Six")
    await write_attempt(log, 3, "Ten")
    await log.begin(KEY, 1)
    await log.begin(KEY, 2)
    await log.append(KEY, Position(1, 3), " weeks")
    await log.append(KEY, Position(2, 70), " weeks")
    await log.end(KEY, Position(1, 9))
    assert await entries_of(log) == [Reset(Position(3)), Piece("Ten", Position(3, 3)), End(Position(3, 3))]


async def test_from_the_end_of_an_attempt_a_reader_hears_the_next_one(log: TokenLog) -> None:
    await write_attempt(log, 1, "Six")
    assert await entries_of(log, after=Position(1, 3)) == [End(Position(1, 3))]
    await write_attempt(log, 2)
    assert await entries_of(log, after=Position(1, 3)) == [Reset(Position(2)), End(Position(2))]


async def test_a_gated_attempt_shows_nothing_until_its_gate_is_opened(logs: tuple[TokenLog, TokenLog]) -> None:
    log, other = logs
    reader = Reader(other, KEY)
    async with asyncio.timeout(20):
        reading = asyncio.create_task(reader.to_the_end())
        await write_attempt(log, 1, "Six", " weeks.", gate="screened")
        for tenant, run_id, gate in (
            ("acme", "run-1", "checked"),
            ("acme", "run-2", "screened"),
            ("globex", "run-1", "screened"),
        ):
            await log.open(tenant, run_id, gate)
        await wait_until_all_is_read(log, other)
        assert reader.at == Position()
        await log.open("acme", "run-1", "screened")
        await reading
    assert reader.text == "Six weeks."
    assert reader.attempts == [1]


async def test_a_gate_stays_open(log: TokenLog) -> None:
    await log.open("acme", "run-1", "screened")
    await log.open("acme", "run-1", "screened")
    await write_attempt(log, 1, "Six", gate="screened")
    assert len(await entries_of(log)) == 3
    await write_attempt(log, 2, "Ten", gate="screened")
    assert len(await entries_of(log)) == 3


async def test_text_behind_a_gate_is_not_shown_to_a_reader_that_claims_to_have_seen_some(
    logs: tuple[TokenLog, TokenLog],
) -> None:
    log, other = logs
    reader = Reader(other, KEY, at=Position(1, 1))
    async with asyncio.timeout(20):
        reading = asyncio.create_task(reader.to_the_end())
        await write_attempt(log, 1, "Six", gate="screened")
        await wait_until_all_is_read(log, other)
        assert reader.text == ""
        await log.open("acme", "run-1", "screened")
        await reading
    assert reader.text == "ix"


@pytest.mark.parametrize("other", [{"tenant": "globex"}, {"run_id": "run-2"}, {"step": "generate-2"}])
async def test_another_tenant_run_or_step_hears_nothing_of_it(log: TokenLog, other: dict[str, str]) -> None:
    await write_attempt(log, 1, "Six")
    await write_attempt(log, 4, "other", key=KEY.model_copy(update=other))
    assert await entries_of(log) == [Reset(Position(1)), Piece("Six", Position(1, 3)), End(Position(1, 3))]


async def test_the_workflow_id_is_no_part_of_the_key(log: TokenLog) -> None:
    await write_attempt(log, 1, "Six")
    assert len(await entries_of(log, KEY.model_copy(update={"workflow_id": "unknown"}))) == 3


async def test_what_is_old_is_forgotten_and_the_rest_kept(logs: tuple[TokenLog, TokenLog]) -> None:
    log, other = logs
    second = KEY.model_copy(update={"run_id": "run-2"})
    await write_attempt(log, 1, "Six", gate="screened")
    await write_attempt(log, 1, "Ten", key=second)
    await log.open("acme", "run-1", "screened")
    assert await log.forget(timedelta(hours=1)) == 0
    assert len(await entries_of(other)) == len(await entries_of(other, second)) == 3
    assert await log.forget(timedelta(0)) == 2
    assert await log.forget(timedelta(0)) == 0
    with pytest.raises(StorageFailed, match="was forgotten"):
        await log.append(KEY, Position(1, 3), "x")
    # The name may be used again, by an attempt of any number, and a reader of the old attempt sees that.
    await write_attempt(log, 1, "Nine", key=second)
    assert await entries_of(log, second, after=Position(7, 2)) == await entries_of(log, second)


async def test_a_long_attempt_is_read_whole(log: TokenLog) -> None:
    pieces = [f"{number} " for number in range(1100)]
    await write_attempt(log, 1, *pieces)
    entries = await entries_of(log)
    assert [entry.text for entry in entries if isinstance(entry, Piece)] == pieces
    assert len(entries) == len(pieces) + 2


async def test_many_may_read_one_step_and_leave_when_they_like(logs: tuple[TokenLog, TokenLog]) -> None:
    log, other = logs
    readers = [Reader(other, KEY) for _ in range(20)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        reading = [group.create_task(reader.to_the_end()) for reader in readers]
        await log.begin(KEY, 1)
        await append(log, 1, "Six")
        for reader in readers:
            await reader.until("Six", attempt=1)
        for task in reading[:10]:
            task.cancel()
        await write_attempt(log, 1, "Six weeks")
    assert [reader.text for reader in readers] == ["Six"] * 10 + ["Six weeks"] * 10


async def test_an_attempt_that_says_nothing_begins_and_ends_at_once(log: TokenLog) -> None:
    await log.begin(KEY, 1, ended=True)
    assert await entries_of(log) == [Reset(Position(1)), End(Position(1))]
    await log.begin(KEY, 1, ended=True)
    await log.begin(KEY, 2)
    await log.begin(KEY, 1, ended=True)
    await log.begin(KEY, 2, ended=True)
    assert await entries_of(log) == [Reset(Position(2)), End(Position(2))]


async def test_an_attempt_that_has_said_something_cannot_end_as_one_that_says_nothing(log: TokenLog) -> None:
    await log.begin(KEY, 1)
    await log.append(KEY, Position(1), "a")
    with pytest.raises(StorageFailed):
        await log.begin(KEY, 1, ended=True)
