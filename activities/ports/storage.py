"""What must survive: bodies by digest, and what was paid for."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from perdure.contracts.budget import Spend
from perdure.contracts.steps import PaidReply, StepKey
from perdure.contracts.text import Text


class BlobStore(Protocol):
    """Keeps bodies by tenant and digest."""

    async def put(self, tenant: str, body: bytes) -> str:
        """Store a body and return its SHA-256. Storing it again changes nothing."""
        ...

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """As `put`, for several bodies at once."""
        ...

    async def get(self, tenant: str, digest: str) -> bytes:
        """The body. Raises `BodyMissing` or `BodyCorrupt`."""
        ...

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """As `get`, for several bodies at once, in the order of their digests."""
        ...


Paid = TypeVar("Paid", bound=PaidReply)


class PaidReplies(Protocol):
    """Remembers every paid attempt before its call and every reply before it is acknowledged."""

    async def begin(self, key: StepKey, attempt: int, reply: type[Paid], bodies: Sequence[bytes] = ()) -> Paid | None:
        """The step's saved reply, if there is one; otherwise records this attempt and returns None.

        `bodies` are stored in the same transaction: what the call needs besides, and nobody has stored yet.
        A saved reply comes with all charges known by now; those of `attempt` itself are zero, since it buys nothing.
        """
        ...

    async def save(self, key: StepKey, attempt: int, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save what an attempt bought, and the bodies of these texts with it, in one transaction.

        The first reply saved for a step is the one that every attempt returns.
        """
        ...

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost; None where that is unknown."""
        ...
