"""Transcripts in the blob store: each turn is a node under its link, so that one link tells a whole conversation."""

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
"""Nodes that a process remembers, a few hundred bytes each: the next request of a run asks for one that it wrote."""


@dataclass(frozen=True)
class Node:
    """A turn with the link of the one before it."""

    turn: Turn
    parent: Digest | None


class Told(NamedTuple):
    """A turn word for word. Each prompt needs one for every turn of a conversation: no contract, which costs more."""

    role: Role
    body: str
    call: str | None


@dataclass(frozen=True)
class Cut:
    """What a prompt shows of a conversation, cut in two: the older turns can be summed up, the newer ones stay."""

    opening: list[Told]
    """With what it begins: the task."""
    older: list[Told]
    """An earlier summary, which stands first, is one of them."""
    newer: list[Told]


class Transcripts:
    """Keeps and tells conversations, by tenant. What is kept never changes, so doing it again is safe."""

    def __init__(self, blobs: BlobStore, remembered: int = REMEMBERED) -> None:
        self._blobs = blobs
        self._most = remembered
        self._nodes: OrderedDict[tuple[str, Digest], Node] = OrderedDict()

    async def keep(self, tenant: str, transcript: Transcript) -> Digest | None:
        """Store the turns that are not stored yet; returns the head. Bodies are stored by whoever made them."""
        nodes = self.fresh(tenant, transcript)
        if nodes:
            await self._blobs.put_all(tenant, nodes)
        return transcript.head

    def fresh(self, tenant: str, transcript: Transcript) -> list[bytes]:
        """The nodes of the turns that are not stored yet, for whoever stores them along with something else."""
        parent, nodes = transcript.stored, list[bytes]()
        for turn in transcript.fresh:
            node = turn.node(parent)
            link = digest_of(node)
            self._remember(tenant, link, Node(turn, parent))
            nodes.append(node)
            parent = link
        return nodes

    async def tell(self, tenant: str, transcript: Transcript) -> list[Told]:
        """The conversation as a prompt shows it, the oldest turn first, with its bodies.

        Where there is a summary, it stands for the turns that it covers: they are still in the chain, but nothing of
        them is read. Raises `BodyMissing` or `BodyCorrupt`, which say which turn it is, counted from the newest.
        """
        opening, summary, chain = await self._shown(tenant, transcript)
        return await self._with_bodies(tenant, [*opening, *summary, *_told(chain)])

    async def cut(self, tenant: str, transcript: Transcript, covers: Digest) -> Cut:
        """The same, cut after the turn of this link. Raises as `tell`, and `BodyCorrupt` where it is not there."""
        opening, summary, chain = await self._shown(tenant, transcript)
        links = [link for link, _ in chain]
        if covers not in links:
            raise BodyCorrupt(f"the conversation cannot be cut: it shows no turn with the link {covers!r}")
        at = links.index(covers) + 1
        older, newer = _told(chain[:at]), _told(chain[at:])
        if not summary:
            opening, older = older[:1], older[1:]
        told = await self._with_bodies(tenant, [*opening, *summary, *older, *newer])
        first, last = len(opening), len(told) - len(newer)
        return Cut(told[:first], told[first:last], told[last:])

    async def _shown(
        self, tenant: str, transcript: Transcript
    ) -> tuple[list[Turn], list[Turn], list[tuple[Digest, Turn]]]:
        """The opening and the newest summary, where there is one, and what the chain holds that it does not cover."""
        fresh = transcript.placed()
        chain, summary = list[tuple[Digest, Turn]](), list[Turn]()
        link, until, number = transcript.head, None, 0
        while link is not None and link != until:
            number += 1
            turn, parent = fresh.get(link) or await self._place(tenant, link, number)
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
                turn, link = fresh.get(link) or await self._place(tenant, link, number)
                opening.insert(0, turn)
        return opening, summary, chain

    async def _place(self, tenant: str, link: Digest, number: int) -> tuple[Turn, Digest | None]:
        node = await self._node(tenant, link, number)
        return node.turn, node.parent

    async def _with_bodies(self, tenant: str, turns: list[Turn]) -> list[Told]:
        bodies = await self._bodies(tenant, turns)
        return [Told(turn.role, body, turn.call) for turn, body in zip(turns, bodies, strict=True)]

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
        known = self._nodes.get((tenant, link))
        if known is not None:
            self._nodes.move_to_end((tenant, link))
            return known
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


def _told(chain: list[tuple[Digest, Turn]]) -> list[Turn]:
    """The turns of a part of a chain: only the newest summary is told, and that before them."""
    return [turn for _, turn in chain if turn.role is not Role.SUMMARY]


def digest_of(node: bytes) -> Digest:
    """A node's link."""
    return hashlib.sha256(node).hexdigest()


def _of_turn(error: BodyMissing | BodyCorrupt, number: int, role: Role | None) -> BodyMissing | BodyCorrupt:
    whose = "a turn whose place is lost" if role is None else f"a turn of the {role.value}"
    return type(error)(f"the conversation cannot be told: turn {number} from its end, {whose}: {error}")
