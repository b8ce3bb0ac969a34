"""The port for state that workers of one deployment share: small, short-lived, and never durable."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

NO_TENANT: Final = "_platform"
"""The tenant of state that belongs to none, such as an endpoint's health. No tenant can have this name."""


@dataclass(frozen=True)
class SharedKey:
    """The key of a shared value."""

    tenant: str
    subject: str
    """The subject of the value, for example a deployment's name."""
    name: str
    """The name of the value."""


class SharedState(Protocol):
    """Values by key, each with an expiry. Any of them may be lost at any moment: store nothing durable here.

    Every method raises `StorageFailed` within seconds, and those that write `StorageFull`; each may be repeated.
    """

    async def get(self, key: SharedKey) -> bytes | None:
        """Return the value; None if there is none or it has expired."""
        ...

    async def put(self, key: SharedKey, value: bytes, ttl: timedelta) -> None:
        """Set the value, over any other, until `ttl` is over: at least a millisecond."""
        ...

    async def swap(self, key: SharedKey, expected: bytes | None, new: bytes, ttl: timedelta) -> bool:
        """Set the value if the current one is `expected`, None for no value; return whether this call set it.

        If many swap the same value at once, exactly one gets True. After False another value is there, or was: read it
        again.
        """
        ...
