"""Endings of an agent that only repeats itself, and of one that has not done what was required."""

from typing import Literal

from perdure.contracts.agents.loops import Repeated
from perdure.contracts.contract import Variant
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.writes import Write


class Stuck(Variant):
    """The end of a run whose model asked for the same call again and again, and got the same each time."""

    kind: Literal["stuck"] = "stuck"
    repeated: Repeated
    """The call: its tool, its arguments, how often, and in which steps."""
    reason: str


class Unfinished(Variant):
    """The end of a run that has not done a write that it requires, whatever its model says."""

    kind: Literal["unfinished"] = "unfinished"
    missing: tuple[Write, ...]
    """Each required tool without a write that was done, with what became of the last attempt at it."""
    answer: Text | None = None
    """The model's last words; None where it said nothing, or where a guard keeps them back."""
    reason: str
