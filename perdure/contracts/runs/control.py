"""Pausing a run, and letting it go on."""

from typing import ClassVar

from pydantic import Field

from perdure.contracts.contract import Contract


class Pause(Contract):
    """Begin nothing new until the run is resumed. What is on its way comes to its end."""

    spelled_out: ClassVar[bool] = True

    by: str = Field(min_length=1, max_length=200)
    """Who says so."""
    reason: str = Field(default="", max_length=2000)


class Resume(Contract):
    """Go on."""

    spelled_out: ClassVar[bool] = True

    by: str = Field(min_length=1, max_length=200)


class Held(Contract):
    """Whether the run stands still now."""

    spelled_out: ClassVar[bool] = True

    paused: bool
    by: str = ""
    """Who paused it and why; empty where it goes on."""
