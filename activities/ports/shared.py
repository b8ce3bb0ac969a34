"""What the workers of one deployment tell each other: small, short-lived, and worth losing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

NO_TENANT: Final = "_platform"
"""The tenant of what belongs to none, such as how an endpoint does. No tenant can have this name."""


@dataclass(frozen=True)
class SharedKey:
    """What something is said of."""

    tenant: str
    subject: str
    """What it is about, for example a deployment's name."""
    name: str
    """What is said of it."""


class SharedState(Protocol):
    """Values by key, each gone after its time. Any of them may be lost at any moment: nothing durable belongs here.

    Every method raises `StorageFailed` within seconds, and those that write `StorageFull`; each may be repeated.
    """

    async def get(self, key: SharedKey) -> bytes | None:
        """The value; None where there is none, or none any more."""
        ...

    async def put(self, key: SharedKey, value: bytes, ttl: timedelta) -> None:
        """Set the value for so long, at least a millisecond, whatever was there."""
        ...

    async def swap(self, key: SharedKey, expected: bytes | None, new: bytes, ttl: timedelta) -> bool:
        """Set the value for so long where it is what was expected, None for no value; whether it was set by this call.

        Of many that swap the same value at once exactly one is told True. After a False somebody else's value is
        there, or was: read it again.
        """
        ...
