"""How a tool says that it could not do what it was asked: one line each, and whether anything may have happened."""

from typing import ClassVar


class ToolError(Exception):
    """The message is one line for the model and for people: what failed, the value, and what to do about it."""

    may_have_happened: ClassVar[bool] = False
    """Whether the call may have changed the world all the same."""


class NotAllowed(ToolError):
    """An address, a host or a service that this agent, or any, must not reach. Nothing was sent there."""


class NotFound(ToolError):
    """What was asked for does not exist."""


class Unreachable(ToolError):
    """Nothing answered at the other end, so nothing happened there."""


class Refused(ToolError):
    """The other end answered, and said no: nothing happened there."""


class Unusable(ToolError):
    """What came back cannot be shown as text: too large, binary, or of a kind that is not read."""


class NoAnswer(ToolError):
    """It was sent, and no usable answer came: whether it happened is unknown."""

    may_have_happened = True
