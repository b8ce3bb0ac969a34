"""What documents say: passages with their edition, and citations that quote them word for word."""

from collections.abc import Callable
from datetime import date

from pydantic import Field

from perdure.contracts.contract import Contract
from perdure.contracts.text import Text


class Edition(Contract):
    """One dated version of one document."""

    document: str
    """The document's id, the same for all its versions."""
    version: int
    title: str
    effective: date | None = None
    """The day from which it applies; None where the document does not say."""


class Superseded(Contract):
    """An older edition that speaks to the same point, and the text there that a newer edition replaced."""

    edition: Edition
    chunk: int = Field(ge=0)
    text: Text


class Sentence(Contract):
    """A sentence of a passage that speaks to the question, by its place."""

    start: int = Field(ge=0)
    """Its first character in the passage."""
    end: int = Field(ge=0)
    """One past its last character."""
    relevance: float
    """Cosine similarity of question and sentence, -1 to 1."""


class Passage(Contract):
    """A piece of a document, as it was found for a question."""

    edition: Edition
    chunk: int = Field(ge=0)
    """Its place in the document, from 0."""
    part: int = Field(default=0, ge=0)
    """Which part of the question it was found for, from 0."""
    relevance: float
    """Cosine similarity of question and passage, -1 to 1."""
    text: Text
    sentences: tuple[Sentence, ...] = ()
    """Those among the best for the question, in the order of the passage."""
    older: tuple[Superseded, ...] = ()
    """What older editions said in the passage's place, newest first."""

    @property
    def tokens(self) -> int:
        """An upper bound for all of its text."""
        return self.text.tokens + sum(former.text.tokens for former in self.older)

    def reference(self) -> "Passage":
        """The same passage by digest alone."""
        return self._with(Text.reference)

    def carried(self) -> "Passage":
        """As a reply carries it: with bodies, where they are small enough."""
        return self._with(Text.carried)

    def _with(self, change: Callable[[Text], Text]) -> "Passage":
        older = tuple(former.model_copy(update={"text": change(former.text)}) for former in self.older)
        return self.model_copy(update={"text": change(self.text), "older": older})


class Citation(Contract):
    """Where an answer comes from: a quote that stands word for word in a recorded passage."""

    edition: Edition
    chunk: int = Field(ge=0)
    start: int = Field(ge=0)
    """First character of the quote in the passage."""
    end: int = Field(ge=0)
    """One past the last character of the quote."""
    quote: str
    passage: Text
    """The passage it quotes, by digest."""
    superseded: bool = False
    """Whether it quotes an older edition, to show what a newer one replaced."""
