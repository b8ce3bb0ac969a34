"""Loops: the limits for a call that comes to the same again and again, and what a run remembers of its calls."""

from pydantic import Field

from perdure.contracts.contract import Contract


class Loops(Contract):
    """The limits for a call that is asked for again and comes to the same. They are pinned with the spec."""

    told: int = Field(default=2, ge=0, le=100)
    """The time at which the model is told, and from then on each time; 0 for never."""
    stuck: int = Field(default=3, ge=0, le=100)
    """The time that ends the run; 0 for never."""


class Seen(Contract):
    """A call that the run has made, and how often in a row it came to the same."""

    call: str
    """16 hexadecimal digits: of the tool's name and the arguments."""
    came: str
    """What it came to: a short digest of the result, or the word `yes`, `unknown`, `denied` or `asked`."""
    final: bool = False
    """Whether the call must not be made again to find out that it comes to the same: it was written, denied, or asked
    of a person."""
    times: int = Field(default=1, ge=1)
    """The number of turns in a row in which it came to this."""
    steps: tuple[str, ...] = ()
    """The newest calls among these, by id, the newest last."""


class Repeated(Contract):
    """The call that a run is stuck in."""

    tool: str
    arguments: str
    """The beginning of its arguments, in one line."""
    times: int
    """How often it was asked for, the last time included."""
    steps: tuple[str, ...]
    """The newest of these calls, by id."""
    made: bool
    """Whether the last one was made. A write, a denied call and a question are not put forward once more."""
    came: str
    """What it came to each time, in words."""
