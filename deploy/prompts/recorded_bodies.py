"""Finds the bodies of a recorded run: in its history, and in the store where the history holds only a digest."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, cast

from temporalio.api.history.v1 import HistoryEvent

from activities.ports import BodyMissing
from deploy.prompts.paid_steps import Attempt, payloads
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import Acted, CallAnswered, Think, Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.text import Text
from perdure.history.timeline import LOCAL


class Reads(Protocol):
    """The part of a `BlobStore` that is needed here: reading."""

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Return the bodies in the order of their digests. Raises `BodyMissing` or `BodyCorrupt`."""
        ...


class RecordedBodies:
    """A `BlobStore` of one run: bodies from its history are used first, since the run really saw these."""

    def __init__(self, store: Reads) -> None:
        """`store` has the bodies that the history only names: from 64 KiB on, and the fixed beginning of prompts."""
        self._store = store
        self._bodies: dict[str, bytes] = {}
        self._answers: dict[str, Text] = {}
        """The results of calls whose place in the conversation no request names, by call id."""

    def take(self, events: Iterable[HistoryEvent]) -> None:
        """Store every body in these events, and the spec that an agent's run has pinned."""
        for event in events:
            if event.marker_recorded_event_attributes.marker_name == LOCAL:
                self._take_answer(event)
            for payload in payloads(event):
                if payload.metadata.get("encoding") == b"json/plain":
                    self._hold(*_bodies(json.loads(payload.data)))

    def _take_answer(self, event: HistoryEvent) -> None:
        """Store the result of a call within the workflow's own task, where it was added to the conversation."""
        details = event.marker_recorded_event_attributes.details
        [about] = [json.loads(payload.data) for payload in details["data"].payloads]
        if about["activity_type"] != "act" or "result" not in details:
            return
        [acted] = [Acted.model_validate_json(payload.data) for payload in details["result"].payloads]
        if acted.kept and isinstance(acted.came, CallAnswered):
            call = json.loads(event.user_metadata.summary.data).partition(" ")[0]
            self._answers[call] = acted.came.outcome.result

    def take_turns(self, attempts: Iterable[Attempt]) -> None:
        """Store the turns of a conversation as linked nodes: each request names the turns since the previous one."""
        for ask, reply in ((attempt.ask, attempt.reply) for attempt in attempts):
            if isinstance(ask, Think | Compact):
                added = self._turns_of(reply) if isinstance(reply, Thought) else []
                parent = ask.transcript.stored
                for turn in (*ask.transcript.fresh, *added):
                    self._hold(turn.node(parent))
                    parent = turn.link(parent)

    def _turns_of(self, reply: Thought) -> list[Turn]:
        """Return the turns that a thought adds: its own, and the result of its only call if that was added at once."""
        turns = [Turn(role=Role.ASSISTANT, body=reply.said)]
        calls = [call.id for call in reply.calls]
        if len(calls) == 1 and calls[0] in self._answers:
            turns.append(Turn(role=Role.TOOL, body=self._answers[calls[0]], call=calls[0]))
        return turns

    def _hold(self, *bodies: bytes) -> None:
        self._bodies |= {hashlib.sha256(body).hexdigest(): body for body in bodies}

    async def put(self, tenant: str, body: bytes) -> str:
        [digest] = await self.put_all(tenant, [body])
        return digest

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """Store the bodies in memory only: looking at a run changes nothing. Return their digests."""
        self._hold(*bodies)
        return [hashlib.sha256(body).hexdigest() for body in bodies]

    async def get(self, tenant: str, digest: str) -> bytes:
        [body] = await self.get_all(tenant, [digest])
        return body

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Return bodies from the history, the others from the store. Raises `BodyMissing` or `BodyCorrupt`."""
        absent = [digest for digest in digests if digest not in self._bodies]
        fetched = dict(zip(absent, await self._store.get_all(tenant, absent), strict=True)) if absent else {}
        return [self._bodies[digest] if digest in self._bodies else fetched[digest] for digest in digests]


class NoStore:
    """The store where no database exists: every body is missing, and no database is created."""

    def __init__(self, where: str) -> None:
        self._where = where

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Raise `BodyMissing`."""
        raise BodyMissing(
            f"the history only names the text {digests[0]!r} of the tenant {tenant!r}, and there is no database at "
            f"{self._where}: name the one that the run's workers used"
        )


def _bodies(value: Any) -> Iterator[bytes]:
    """Yield everything in a JSON value that may be a body, and the bytes of a pinned spec."""
    match value:
        case {"digest": str(), "body": str(body)}:
            yield body.encode()
        case dict():
            if "pinned" in value and "spec" in value:
                yield AgentSpec.model_validate(value["spec"]).model_dump_json().encode()
            for item in cast("dict[str, Any]", value).values():
                yield from _bodies(item)
        case str():
            # Any string may be a body, as replies write them; the digest of one that is not is never asked for.
            yield value.encode(errors="replace")
        case list():
            for item in cast("list[Any]", value):
                yield from _bodies(item)
        case _:
            return
