"""The parts of one event of a reply, whatever protocol it was written in."""

from dataclasses import dataclass, field
from typing import Any

from activities.ports import TokenLogprob


@dataclass(frozen=True)
class CallPiece:
    """A piece of a tool call, with what its server says about it."""

    index: int | None
    """The call's place in the reply; None where the server names none."""
    id: str
    name: str
    arguments: str
    whole: bool = False
    """Whether it is a whole call, which no other piece continues."""
    spare: bool = False
    """Whether `arguments` counts only if no other piece has any."""


@dataclass
class Parts:
    """The parts of one event. Each is empty where the event does not have it."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[CallPiece] = field(default_factory=list[CallPiece])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    ended: str | None = None
    """Why the reply ended, in the provider's word."""
    model: str | None = None
    usage: Any = None
    timings: Any = None
    continues: bool = False
    """Whether the event is about the reply itself, and not only about its usage."""
    last: bool = False
    """Whether nothing comes after it."""
