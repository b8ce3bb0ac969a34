"""The briefing of a person who decides: the task, the model's words, and what it had read, each by its first words."""

from typing import Self

from pydantic import Field

from perdure.contracts.contract import Contract

TASK = 600
"""The most characters of the task that a briefing holds."""

WORDS = 400
"""The most characters of the model's words that a briefing holds."""

TITLE = 100
"""The most characters of a title, and of a call's arguments."""

HEAD = 200
"""The most characters of the first words of a text that the model had read."""

MOST_READ = 10
"""The most texts that a briefing lists: the newest ones."""


class Excerpt(Contract):
    """The first words of a text. The text is untrusted: whoever shows it makes it safe for its own screen."""

    text: str
    length: int = Field(ge=0)
    """The characters of the whole text."""

    @classmethod
    def of(cls, text: str, most: int) -> Self:
        """Return the first `most` characters of a text."""
        return cls(text=text[:most], length=len(text))

    @property
    def left_out(self) -> int:
        """The number of characters that are not here."""
        return self.length - len(self.text)


class ReadText(Contract):
    """A text that a tool had returned and the model had read."""

    call: str
    """The step that returned it, `call-1-1`."""
    tool: str = ""
    """The tool's name; empty where the call was summed up."""
    asked: str = ""
    """The first characters of the call's arguments: where the text comes from."""
    title: str = ""
    """The text's first line, which in a search names the document and its version."""
    head: str = ""
    """The first words after it."""
    length: int = Field(default=0, ge=0)
    """The characters of the whole text."""


class Briefing(Contract):
    """What a run's model knew and said when it asked for the calls of its newest turn.

    An effect makes it, since a workflow reads no bodies. It holds only the beginnings of texts: histories stay small.
    """

    task: Excerpt
    words: Excerpt
    """The model's words beside its calls; empty where it said none."""
    read: tuple[ReadText, ...] = ()
    """The newest texts that the model had read before it asked, the oldest of them first. None are listed where no call
    needs an approval or an answer."""
    earlier: int = Field(default=0, ge=0)
    """The number of texts before these."""
    summed_up: bool = False
    """Whether the model knew even older texts only from its own summary."""
