"""The transcript, a hash chain: each turn is named by a digest of its content and of the turn before it."""

import hashlib
import json
from enum import StrEnum
from typing import Self

from pydantic import Field

from perdure.contracts.contract import Contract, Digest
from perdure.contracts.text import Text


class Role(StrEnum):
    """The role of a turn's speaker."""

    USER = "user"
    """The person or service that gives the task."""
    ASSISTANT = "assistant"
    """The model: its words and its tool calls, as JSON."""
    TOOL = "tool"
    """A tool: its answer, wrapped as data."""
    SUMMARY = "summary"
    """A summary by the model of the turns before, wrapped as data. Prompts show it in their place."""
    NOTE = "note"
    """The platform: what it tells the model about its calls."""


class Turn(Contract):
    """One turn of a conversation."""

    role: Role
    body: Text
    """The content of the turn; in a transcript by digest alone, until it is stored only that of a note has its body."""
    call: str | None = None
    """The call that a tool's turn answers; None for other turns."""
    covers: Digest | None = None
    """The link of the last turn that a summary replaces; None for other turns. The replaced turns stay in the chain."""
    opening: Digest | None = None
    """The link of the turn with which the conversation begins: it is shown before the summary. None for other turns."""

    def node(self, parent: Digest | None) -> bytes:
        """Return the turn and its place as JSON text: its SHA-256 is the turn's link. The body is in it by digest."""
        fields = {"parent": parent, "role": self.role.value, "call": self.call, "body": self.body.digest}
        if self.role is Role.SUMMARY:
            fields |= {"covers": self.covers, "opening": self.opening}
        return json.dumps({**fields, "tokens": self.body.tokens}, sort_keys=True, ensure_ascii=False).encode()

    def link(self, parent: Digest | None) -> Digest:
        """Return the link: the name of the conversation up to and including this turn."""
        return hashlib.sha256(self.node(parent)).hexdigest()


class Transcript(Contract):
    """A conversation as its workflow holds it: one link for all stored turns, and the turns since.

    Requests carry only this, however long the conversation is, so a history grows only by what is new. A fork is a
    transcript that starts from an older link.
    """

    stored: Digest | None = None
    """The link of the last turn that is known to be stored; None before the first."""
    fresh: tuple[Turn, ...] = ()
    """The turns since then, in call order, by digest alone. Only notes have their body: no effect has made it."""
    tokens: int = Field(default=0, ge=0)
    """An upper bound of the tokens of all bodies that a prompt shows. It prices the prompt without reading a body."""
    turns: int = Field(default=0, ge=0)
    """The number of turns that a prompt shows: a chat template adds tokens to each."""

    @property
    def head(self) -> Digest | None:
        """The link of the newest turn; None where there is none."""
        link = self.stored
        for turn in self.fresh:
            link = turn.link(link)
        return link

    def placed(self) -> dict[Digest, tuple[Turn, Digest | None]]:
        """Return the turns that are not stored yet, by link, each with the link of the turn before it."""
        link, places = self.stored, dict[Digest, tuple[Turn, Digest | None]]()
        for turn in self.fresh:
            parent, link = link, turn.link(link)
            places[link] = (turn, parent)
        return places

    def add(self, *turns: Turn) -> Self:
        """Return the transcript with these turns at its end, in the order of their calls, whichever ended first."""
        fresh = (*self.fresh, *(turn if turn.role is Role.NOTE else _without_body(turn) for turn in turns))
        tokens = self.tokens + sum(turn.body.tokens for turn in turns)
        return self.model_copy(update={"fresh": fresh, "tokens": tokens, "turns": self.turns + len(turns)})

    def showing(self, tokens: int, turns: int) -> Self:
        """Return the transcript with other counts for what a prompt shows: a summary replaces the rest."""
        return self.model_copy(update={"tokens": tokens, "turns": turns})

    def unpriced(self) -> Self:
        """Return the transcript for an effect: without the counts that price a prompt, which it does not need."""
        return self.showing(0, 0)

    def kept(self) -> Self:
        """Return the transcript once an effect has stored its turns: the head stands for all of them."""
        return self.model_copy(update={"stored": self.head, "fresh": ()})


def _without_body(turn: Turn) -> Turn:
    return turn.model_copy(update={"body": turn.body.reference()})
