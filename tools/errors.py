"""The errors of tools: each is one line, and tells whether the call may have happened."""

from typing import ClassVar


class ToolError(Exception):
    """A tool failed. The message is one line for the model and for people: what failed, the value, and the remedy."""

    may_have_happened: ClassVar[bool] = False
    """Whether the call may have changed the world although it failed."""


class NotAllowed(ToolError):
    """This agent, or any agent, must not reach this address, host or service. Nothing was sent there."""


class NotFound(ToolError):
    """The document or page does not exist."""


class Unreachable(ToolError):
    """The other side did not answer the connection, so nothing happened there."""


class ServiceRefused(ToolError):
    """The other side answered with a refusal: nothing happened there."""


class Unusable(ToolError):
    """The answer cannot be shown as text: too large, binary, or of an unknown media type."""


class NoAnswer(ToolError):
    """The call was sent and no usable answer came: whether it happened is unknown."""

    may_have_happened = True
