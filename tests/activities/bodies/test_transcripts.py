"""A conversation is read back word for word from one link, and a lost or changed part of it is detected."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.databases.sqlite_database import open_sqlite
from activities.adapters.sql.blobs import SqlBlobs
from activities.bodies import texts
from activities.bodies.transcripts import Transcripts, TurnText
from activities.ports import BlobStore, BodyCorrupt, BodyMissing
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.text import Text

SAID = ["How deep can the CS-40 go?", "", "Ünïcode 深い", "How deep can the CS-40 go?", "x" * 100_000]


@pytest_asyncio.fixture(loop_scope="session")
async def blobs(tmp_path: Path) -> AsyncIterator[BlobStore]:
    database = open_sqlite(tmp_path / "perdure.db")
    yield SqlBlobs(database)
    await database.dispose()


def turns_of(bodies: list[str]) -> list[Turn]:
    roles = [Role.USER, Role.ASSISTANT, Role.TOOL]
    return [
        Turn(role=roles[number % 3], body=Text.of(body), call=f"call-{number}" if number % 3 == 2 else None)
        for number, body in enumerate(bodies)
    ]


def messages_of(turns: list[Turn]) -> list[TurnText]:
    return [TurnText(turn.role, turn.body.body or "", turn.call) for turn in turns]


async def store_conversation(blobs: BlobStore, bodies: list[str], tenant: str = "acme") -> Transcript:
    """Store a conversation in several hops, each of which stores only its new turn."""
    transcript = Transcript()
    for turn in turns_of(bodies):
        await texts.store(blobs, tenant, turn.body)
        transcript = transcript.add(turn)
        assert await Transcripts(blobs).store(tenant, transcript) == transcript.head
        transcript = transcript.kept()
    return transcript


async def test_a_link_is_enough_to_tell_the_whole_conversation(blobs: BlobStore) -> None:
    transcript = await store_conversation(blobs, SAID)
    assert transcript.fresh == ()
    assert await Transcripts(blobs).read("acme", transcript) == messages_of(turns_of(SAID))
    assert transcript.tokens == sum(len(body.encode()) for body in SAID)


async def test_turns_that_are_not_stored_yet_are_told_after_the_others(blobs: BlobStore) -> None:
    *before, last = turns_of(SAID)
    transcript = (await store_conversation(blobs, SAID[:-1])).add(last)
    await texts.store(blobs, "acme", last.body)
    assert await Transcripts(blobs).read("acme", transcript) == messages_of([*before, last])


async def test_what_a_request_carries_does_not_grow_with_the_conversation(blobs: BlobStore) -> None:
    short, long = await store_conversation(blobs, SAID[:1]), await store_conversation(blobs, SAID * 40)
    assert len(long.model_dump_json()) - len(short.model_dump_json()) < 10


async def test_a_fork_shares_what_came_before_and_disturbs_nothing(blobs: BlobStore) -> None:
    transcript = await store_conversation(blobs, SAID[:3])
    other = Turn(role=Role.USER, body=Text.of("Something else?"))
    await texts.store(blobs, "acme", other.body)
    fork = transcript.add(other)
    await Transcripts(blobs).store("acme", fork)
    assert await Transcripts(blobs).read("acme", fork.kept()) == messages_of([*turns_of(SAID[:3]), other])
    assert await Transcripts(blobs).read("acme", transcript) == messages_of(turns_of(SAID[:3]))


async def test_no_tenant_is_told_anothers_conversation(blobs: BlobStore) -> None:
    transcripts = Transcripts(blobs)
    transcript = await store_conversation(blobs, SAID)
    assert await transcripts.read("acme", transcript)
    with pytest.raises(BodyMissing, match="turn 1 from its end"):
        await transcripts.read("globex", transcript)


async def test_what_was_kept_here_is_not_asked_for_again(blobs: BlobStore, tmp_path: Path) -> None:
    transcripts, transcript = Transcripts(blobs), Transcript().add(*turns_of(SAID))
    for turn in turns_of(SAID):
        await texts.store(blobs, "acme", turn.body)
    await transcripts.store("acme", transcript)
    await forget(tmp_path, *links(transcript))
    assert await transcripts.read("acme", transcript.kept()) == messages_of(turns_of(SAID))
    with pytest.raises(BodyMissing, match="turn 1 from its end, a turn whose place is lost"):
        await Transcripts(blobs).read("acme", transcript.kept())


async def test_a_body_that_is_missing_is_named_by_its_turn(blobs: BlobStore, tmp_path: Path) -> None:
    transcript = await store_conversation(blobs, SAID)
    await forget(tmp_path, Text.of(SAID[1]).digest)
    with pytest.raises(BodyMissing, match="turn 4 from its end, a turn of the assistant: the tenant 'acme' has"):
        await Transcripts(blobs).read("acme", transcript)


@pytest.mark.parametrize("what", ["body", "place"])
async def test_what_was_changed_is_found(blobs: BlobStore, tmp_path: Path, what: str) -> None:
    transcript = await store_conversation(blobs, SAID[:3])
    link = Transcript().add(*turns_of(SAID[:2])).head
    digest = Text.of(SAID[1]).digest if what == "body" else link
    await change(tmp_path, "UPDATE bodies SET body = x'00' WHERE digest = ?", digest or "")
    with pytest.raises(BodyCorrupt, match="turn 2 from its end"):
        await Transcripts(blobs).read("acme", transcript)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_two_conversations_have_one_link_only_where_they_are_the_same(one: list[str], other: list[str]) -> None:
    mine, others = (Transcript().add(*turns_of(bodies)) for bodies in (one, other))
    assert (mine.head == others.head) == (one == other)
    in_hops = Transcript()
    for turn in turns_of(one):
        in_hops = in_hops.add(turn).kept()
    assert in_hops.head == mine.head


@given(st.sampled_from(["role", "call", "body"]))
def test_a_link_changes_with_everything_that_a_turn_says(part: str) -> None:
    turn = Turn(role=Role.TOOL, body=Text.of("12"), call="call-1")
    changed = {"role": Role.USER, "call": "call-2", "body": Text.of("13")}[part]
    assert turn.link(None) != turn.model_copy(update={part: changed}).link(None)
    assert turn.link(None) != turn.link("0" * 64)


def links(transcript: Transcript) -> list[str]:
    return [Transcript(fresh=transcript.fresh[:number]).head or "" for number in range(1, len(transcript.fresh) + 1)]


async def forget(folder: Path, *digests: str) -> None:
    for digest in digests:
        await change(folder, "DELETE FROM bodies WHERE digest = ?", digest)


async def change(folder: Path, statement: str, digest: str) -> None:
    """Change the database directly, as no part of the platform does."""

    def run() -> int:
        file = sqlite3.connect(folder / "perdure.db", isolation_level=None)
        changed = file.execute(statement, (digest,)).rowcount
        file.close()
        return changed

    assert await asyncio.to_thread(run) == 1
