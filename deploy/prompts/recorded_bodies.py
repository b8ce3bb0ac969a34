"""The bodies that a history holds itself, and the store's for those that it only names."""

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
    """What is needed of a store here: the reading."""

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """The bodies, in the order of their digests. Raises `BodyMissing` or `BodyCorrupt`."""
        ...


class RecordedBodies:
    """A `BlobStore` of one run: what is in its history needs no store, and is what the run really saw."""

    def __init__(self, store: Reads) -> None:
        """`store` has what the history only names: bodies from 64 KiB on, and the fixed beginning of prompts."""
        self._store = store
        self._held: dict[str, bytes] = {}
        self._answers: dict[str, Text] = {}
        """What calls were answered whose place no request names, by call."""

    def take(self, events: Iterable[HistoryEvent]) -> None:
        """Remember every body in these events, and the spec that an agent's run has pinned."""
        for event in events:
            if event.marker_recorded_event_attributes.marker_name == LOCAL:
                self._take_answer(event)
            for payload in payloads(event):
                if payload.metadata.get("encoding") == b"json/plain":
                    self._hold(*_bodies(json.loads(payload.data)))

    def _take_answer(self, event: HistoryEvent) -> None:
        """A call within the workflow's own task may have been answered, and the answer kept with its place."""
        details = event.marker_recorded_event_attributes.details
        [about] = [json.loads(payload.data) for payload in details["data"].payloads]
        if about["activity_type"] != "act" or "result" not in details:
            return
        [acted] = [Acted.model_validate_json(payload.data) for payload in details["result"].payloads]
        if acted.kept and isinstance(acted.came, CallAnswered):
            call = json.loads(event.user_metadata.summary.data).partition(" ")[0]
            self._answers[call] = acted.came.outcome.result

    def take_turns(self, attempts: Iterable[Attempt]) -> None:
        """Remember the places of turns in their conversation: each request names those since the one before."""
        for ask, reply in ((attempt.ask, attempt.reply) for attempt in attempts):
            if isinstance(ask, Think | Compact):
                said = self._said(reply) if isinstance(reply, Thought) else []
                parent = ask.transcript.stored
                for turn in (*ask.transcript.fresh, *said):
                    self._hold(turn.node(parent))
                    parent = turn.link(parent)

    def _said(self, reply: Thought) -> list[Turn]:
        """What a thought adds to its conversation: its own turn, and the one answer that was kept right after it."""
        turns = [Turn(role=Role.ASSISTANT, body=reply.said)]
        calls = [call.id for call in reply.calls]
        if len(calls) == 1 and calls[0] in self._answers:
            turns.append(Turn(role=Role.TOOL, body=self._answers[calls[0]], call=calls[0]))
        return turns

    def _hold(self, *bodies: bytes) -> None:
        self._held |= {hashlib.sha256(body).hexdigest(): body for body in bodies}

    async def put(self, tenant: str, body: bytes) -> str:
        [digest] = await self.put_all(tenant, [body])
        return digest

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """Only remembered: whoever looks at a run changes nothing."""
        self._hold(*bodies)
        return [hashlib.sha256(body).hexdigest() for body in bodies]

    async def get(self, tenant: str, digest: str) -> bytes:
        [body] = await self.get_all(tenant, [digest])
        return body

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """From the history, and the rest from the store. Raises `BodyMissing` or `BodyCorrupt`."""
        absent = [digest for digest in digests if digest not in self._held]
        found = dict(zip(absent, await self._store.get_all(tenant, absent), strict=True)) if absent else {}
        return [self._held[digest] if digest in self._held else found[digest] for digest in digests]


class NoStore:
    """Stands where there is no store: whatever the history only names is missing, and nothing is made."""

    def __init__(self, where: str) -> None:
        self._where = where

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Raises `BodyMissing`."""
        raise BodyMissing(
            f"the history only names the text {digests[0]!r} of the tenant {tenant!r}, and there is no database at "
            f"{self._where}: name the one that the run's workers used"
        )


def _bodies(value: Any) -> Iterator[bytes]:
    match value:
        case {"digest": str(), "body": str(body)}:
            yield body.encode()
        case dict():
            if "pinned" in value and "spec" in value:
                yield AgentSpec.model_validate(value["spec"]).model_dump_json().encode()
            for each in cast("dict[str, Any]", value).values():
                yield from _bodies(each)
        case str():
            # Perhaps a text's body, as replies write them; what is none is never asked for.
            yield value.encode(errors="replace")
        case list():
            for each in cast("list[Any]", value):
                yield from _bodies(each)
        case _:
            return
