"""Transcripts in the blob store: each turn is a node that links to the one before, so one link names a conversation."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

from activities.bodies import texts
from activities.ports import BlobStore, BodyCorrupt, BodyMissing
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text

REMEMBERED = 8192
"""The most nodes in a process's cache, a few hundred bytes each: a run's next request reads those that it wrote."""


@dataclass(frozen=True)
class Node:
    """A turn with the link of the turn before it."""

    turn: Turn
    parent: Digest | None


class TurnText(NamedTuple):
    """A turn with its body. A prompt needs one for each turn, so this is a tuple: a contract would cost more."""

    role: Role
    body: str
    call: str | None


@dataclass(frozen=True)
class Cut:
    """A conversation as a prompt shows it, cut in two: the older turns can be summarized, the newer ones stay."""

    opening: list[TurnText]
    """The first turn: the task."""
    older: list[TurnText]
    """The older turns. An earlier summary is the first of them."""
    newer: list[TurnText]


class Transcripts:
    """Stores and reads conversations, by tenant. A stored node never changes, so storing it again is safe."""

    def __init__(self, blobs: BlobStore, remembered: int = REMEMBERED) -> None:
        self._blobs = blobs
        self._most = remembered
        self._nodes: OrderedDict[tuple[str, Digest], Node] = OrderedDict()

    async def store(self, tenant: str, transcript: Transcript) -> Digest | None:
        """Store the turns that are not stored yet, and return the head's link. Their bodies are stored elsewhere."""
        nodes = self.fresh(tenant, transcript)
        if nodes:
            await self._blobs.put_all(tenant, nodes)
        return transcript.head

    def fresh(self, tenant: str, transcript: Transcript) -> list[bytes]:
        """Return the nodes of the turns that are not stored yet, each the last of what is to be stored for its turn."""
        parent, nodes = transcript.stored, list[bytes]()
        for turn in transcript.fresh:
            node = turn.node(parent)
            link = digest_of(node)
            self._remember(tenant, link, Node(turn, parent))
            # The body of a note comes with its turn: the workflow wrote it, and no effect has stored it.
            nodes += [node] if turn.body.body is None or turn.role is not Role.NOTE else [turn.body.body.encode(), node]
            parent = link
        return nodes

    async def read(self, tenant: str, transcript: Transcript) -> list[TurnText]:
        """Return the conversation as a prompt shows it, the oldest turn first, with the bodies.

        A summary replaces the turns that it covers: they are still in the chain, but are not read. Raises
        `BodyMissing` or `BodyCorrupt`, whose message numbers the turn, counted from the newest.
        """
        opening, summary, chain = await self._shown(tenant, transcript)
        return await self._with_bodies(tenant, [*opening, *summary, *_without_summaries(chain)])

    async def cut(self, tenant: str, transcript: Transcript, covers: Digest) -> Cut:
        """Return the conversation as a prompt shows it, cut after the turn of this link.

        Raises `BodyMissing`, and `BodyCorrupt` also if that turn is not shown.
        """
        opening, summary, chain = await self._shown(tenant, transcript)
        links = [link for link, _ in chain]
        if covers not in links:
            raise BodyCorrupt(f"the conversation cannot be cut: it shows no turn with the link {covers!r}")
        at = links.index(covers) + 1
        older, newer = _without_summaries(chain[:at]), _without_summaries(chain[at:])
        if not summary:
            opening, older = older[:1], older[1:]
        turns = await self._with_bodies(tenant, [*opening, *summary, *older, *newer])
        first, last = len(opening), len(turns) - len(newer)
        return Cut(turns[:first], turns[first:last], turns[last:])

    async def _shown(
        self, tenant: str, transcript: Transcript
    ) -> tuple[list[Turn], list[Turn], list[tuple[Digest, Turn]]]:
        """Return the opening, the newest summary if there is one, and the chain of turns that it does not cover."""
        fresh = transcript.placed()
        chain, summary = list[tuple[Digest, Turn]](), list[Turn]()
        link, until, number = transcript.head, None, 0
        while link is not None and link != until:
            number += 1
            turn, parent = fresh.get(link) or await self._turn_and_parent(tenant, link, number)
            chain.append((link, turn))
            if turn.role is Role.SUMMARY and not summary:
                summary, until = [turn], turn.covers
            link = parent
        chain.reverse()
        opening = list[Turn]()
        if summary:
            link = summary[0].opening
            while link is not None:
                number += 1
                turn, link = fresh.get(link) or await self._turn_and_parent(tenant, link, number)
                opening.insert(0, turn)
        return opening, summary, chain

    async def _turn_and_parent(self, tenant: str, link: Digest, number: int) -> tuple[Turn, Digest | None]:
        node = await self._node(tenant, link, number)
        return node.turn, node.parent

    async def _with_bodies(self, tenant: str, turns: list[Turn]) -> list[TurnText]:
        bodies = await self._bodies(tenant, turns)
        return [TurnText(turn.role, body, turn.call) for turn, body in zip(turns, bodies, strict=True)]

    async def _bodies(self, tenant: str, turns: list[Turn]) -> list[str]:
        try:
            return await texts.read_all(self._blobs, tenant, [turn.body for turn in turns])
        except (BodyMissing, BodyCorrupt):
            for number, turn in enumerate(reversed(turns), start=1):
                try:
                    await texts.read(self._blobs, tenant, turn.body)
                except (BodyMissing, BodyCorrupt) as error:
                    raise _of_turn(error, number, turn.role) from None
            raise

    async def _node(self, tenant: str, link: Digest, number: int) -> Node:
        cached = self._nodes.get((tenant, link))
        if cached is not None:
            self._nodes.move_to_end((tenant, link))
            return cached
        try:
            fields: dict[str, Any] = json.loads(await self._blobs.get(tenant, link))
        except (BodyMissing, BodyCorrupt) as error:
            raise _of_turn(error, number, None) from None
        body = Text(digest=fields["body"], tokens=fields["tokens"])
        node = Node(
            Turn(
                role=Role(fields["role"]),
                body=body,
                call=fields["call"],
                covers=fields.get("covers"),
                opening=fields.get("opening"),
            ),
            fields["parent"],
        )
        self._remember(tenant, link, node)
        return node

    def _remember(self, tenant: str, link: Digest, node: Node) -> None:
        self._nodes[tenant, link] = node
        while len(self._nodes) > self._most:
            self._nodes.popitem(last=False)


def _without_summaries(chain: list[tuple[Digest, Turn]]) -> list[Turn]:
    """Return the turns of a part of a chain. The newest summary is shown before them, and no other one."""
    return [turn for _, turn in chain if turn.role is not Role.SUMMARY]


def digest_of(node: bytes) -> Digest:
    """Return a node's link."""
    return hashlib.sha256(node).hexdigest()


def _of_turn(error: BodyMissing | BodyCorrupt, number: int, role: Role | None) -> BodyMissing | BodyCorrupt:
    whose = "a turn whose place is lost" if role is None else f"a turn of the {role.value}"
    return type(error)(f"the conversation cannot be told: turn {number} from its end, {whose}: {error}")
