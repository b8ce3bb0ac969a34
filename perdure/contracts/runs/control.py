"""The requests and the reply for pausing a run and resuming it."""

from typing import ClassVar

from pydantic import Field

from perdure.contracts.contract import Contract, EdgeType


class Pause(Contract, metaclass=EdgeType):
    """Start nothing new until the run is resumed. Calls under way finish first."""

    spelled_out: ClassVar[bool] = True
    shows: ClassVar[tuple[str, ...]] = ("by",)

    by: str = Field(min_length=1, max_length=200)
    """The person who pauses the run."""
    reason: str = Field(default="", max_length=2000)


class Resume(Contract, metaclass=EdgeType):
    """Let a paused run continue."""

    spelled_out: ClassVar[bool] = True
    shows: ClassVar[tuple[str, ...]] = ("by",)

    by: str = Field(min_length=1, max_length=200)
    """The person who resumes the run."""


class Held(Contract):
    """The reply: whether the run is paused now."""

    spelled_out: ClassVar[bool] = True

    paused: bool
    by: str = ""
    """Who paused it and why; empty where it is not paused."""
