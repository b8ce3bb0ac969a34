"""A transcript is a hash chain: each turn is named by what it says and by the turn before it."""

import hashlib
import json
from enum import StrEnum
from typing import Self

from pydantic import Field

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.text import Text


class Role(StrEnum):
    """Whose turn it is."""

    USER = "user"
    """Whoever asks."""
    ASSISTANT = "assistant"
    """The model: its words and the tools that it asks for, as JSON."""
    TOOL = "tool"
    """What a tool answered, wrapped as data."""
    SUMMARY = "summary"
    """What the model made of the turns before, wrapped as data: prompts show it in their place."""


class Turn(Contract):
    """One turn of a conversation, by the digest of what it says."""

    role: Role
    body: Text
    call: str | None = None
    """Which call of the assistant's a tool answers."""
    covers: Digest | None = None
    """The link up to which a summary stands for the turns before it. They stay in the chain."""
    opening: Digest | None = None
    """The link of the turn with which the conversation begins: it is shown before the summary."""

    def node(self, parent: Digest | None) -> bytes:
        """The turn and its place, as the one JSON text whose SHA-256 is its link. The body is in it by digest."""
        fields = {"parent": parent, "role": self.role.value, "call": self.call, "body": self.body.digest}
        if self.role is Role.SUMMARY:
            fields |= {"covers": self.covers, "opening": self.opening}
        return json.dumps({**fields, "tokens": self.body.tokens}, sort_keys=True, ensure_ascii=False).encode()

    def link(self, parent: Digest | None) -> Digest:
        """The name of the conversation up to and including this turn."""
        return hashlib.sha256(self.node(parent)).hexdigest()


class Transcript(Contract):
    """A conversation as its workflow holds it: one link for all that is stored, and the turns since.

    However long the conversation is, a request carries this and nothing more, so that a history grows by what is new. A
    fork is a transcript that starts from an older link.
    """

    stored: Digest | None = None
    """The last turn that the store is known to hold; None before the first."""
    fresh: tuple[Turn, ...] = ()
    """The turns since then, in call order, by digest alone."""
    tokens: int = Field(default=0, ge=0)
    """An upper bound for all bodies that a prompt shows: it is priced by this, without reading one."""
    turns: int = Field(default=0, ge=0)
    """How many of them it shows: a chat template adds something around each."""

    @property
    def head(self) -> Digest | None:
        """The link of the newest turn; None where there is none."""
        link = self.stored
        for turn in self.fresh:
            link = turn.link(link)
        return link

    def placed(self) -> dict[Digest, tuple[Turn, Digest | None]]:
        """The turns that are not stored yet, each by its link and with the link of the one before it."""
        link, places = self.stored, dict[Digest, tuple[Turn, Digest | None]]()
        for turn in self.fresh:
            parent, link = link, turn.link(link)
            places[link] = (turn, parent)
        return places

    def add(self, *turns: Turn) -> Self:
        """With these turns at its end, in the order that is given: that of the calls, whichever came back first."""
        fresh = (*self.fresh, *(turn.model_copy(update={"body": turn.body.reference()}) for turn in turns))
        tokens = self.tokens + sum(turn.body.tokens for turn in turns)
        return self.model_copy(update={"fresh": fresh, "tokens": tokens, "turns": self.turns + len(turns)})

    def showing(self, tokens: int, turns: int) -> Self:
        """The same conversation, of which a prompt shows so much: a summary stands for the rest."""
        return self.model_copy(update={"tokens": tokens, "turns": turns})

    def unpriced(self) -> Self:
        """The same for an effect, which reads it: what its prompt may take at most is worked out before it is asked."""
        return self.showing(0, 0)

    def kept(self) -> Self:
        """Once an effect has stored its turns: the head stands for all of them."""
        return self.model_copy(update={"stored": self.head, "fresh": ()})
