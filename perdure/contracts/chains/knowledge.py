"""Passages of documents, each with its edition, and citations that quote them word for word."""

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
    """The day from which the edition applies; None where the document does not say."""


class Superseded(Contract):
    """A passage of an older edition that a newer edition replaced."""

    edition: Edition
    chunk: int = Field(ge=0)
    """The passage's place in its document, from 0."""
    text: Text


class Sentence(Contract):
    """A sentence of a passage that is relevant to the question, by its position."""

    start: int = Field(ge=0)
    """The position of its first character in the passage, from 0."""
    end: int = Field(ge=0)
    """The position after its last character."""
    relevance: float
    """Cosine similarity of question and sentence, -1 to 1."""


class Passage(Contract):
    """A passage of a document that was found for a question."""

    edition: Edition
    chunk: int = Field(ge=0)
    """Its place in the document, from 0."""
    part: int = Field(default=0, ge=0)
    """The number of the question's part that it was found for, from 0."""
    relevance: float
    """Cosine similarity of question and passage, -1 to 1."""
    text: Text
    sentences: tuple[Sentence, ...] = ()
    """The sentences of it that are among the best for the question, in the order of the passage."""
    older: tuple[Superseded, ...] = ()
    """The texts of older editions in this passage's place, the newest first."""

    @property
    def tokens(self) -> int:
        """An upper bound of the tokens of all its texts."""
        return self.text.tokens + sum(former.text.tokens for former in self.older)

    def reference(self) -> "Passage":
        """Return the passage with its texts by digest alone."""
        return self._with(Text.reference)

    def carried(self) -> "Passage":
        """Return the passage as a reply carries it: with bodies where they are small enough."""
        return self._with(Text.carried)

    def _with(self, change: Callable[[Text], Text]) -> "Passage":
        older = tuple(former.model_copy(update={"text": change(former.text)}) for former in self.older)
        return self.model_copy(update={"text": change(self.text), "older": older})


class Citation(Contract):
    """A citation: a quote that is, word for word, in a recorded passage."""

    edition: Edition
    chunk: int = Field(ge=0)
    """The passage's place in its document, from 0."""
    start: int = Field(ge=0)
    """The position of the quote's first character in the passage, from 0."""
    end: int = Field(ge=0)
    """The position after the quote's last character."""
    quote: str
    passage: Text
    """The passage that it quotes, by digest."""
    superseded: bool = False
    """Whether it quotes an older edition, to show the text that a newer one replaced."""
