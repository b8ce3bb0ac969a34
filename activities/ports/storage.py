"""What must survive: bodies by digest, and what was paid for."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import PaidReply, StepKey
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text
from perdure.contracts.windows import Account


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


@dataclass(frozen=True, kw_only=True)
class Order:
    """One asking of a paid step."""

    key: StepKey
    attempt: int
    """Its number in the workflow. A reset lets the numbers begin again."""
    question: Digest
    """Of what the workflow asks, whichever deployment it asks: another question is never given this one's answer."""
    worst: Spend
    """What it may cost at most."""
    bodies: Sequence[bytes] = ()
    """What the call needs besides and nobody has stored yet."""
    asking: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Unique to this asking, so that a transaction that is done twice knows itself again."""


class PaidReplies(Protocol):
    """Remembers every paid attempt before its call and every reply before it is acknowledged.

    The run's account and its tenant's day are charged in the same transactions. Each method may be repeated. All raise
    `StorageFull` or `StorageFailed`.
    """

    async def begin(self, order: Order, reply: type[Paid]) -> Paid | None:
        """The reply that was saved for this question; otherwise records this attempt and returns None.

        Its worst case is set aside and its bodies are stored in the same transaction. Each asking is an attempt of its
        own, also where a reset lets one of the same number be made again. A saved reply comes with all charges known by
        now, by the number in the workflow; those of an attempt that buys nothing are zero.
        Raises `WindowSpent` where the run's account or its tenant's day does not cover the worst case, and `NotThisRun`
        where the run has no account: nothing is recorded then.
        """
        ...

    async def save(self, order: Order, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save what an attempt bought, settle it, and store the bodies of these texts, in one transaction.

        The first reply saved for a question is the one that every attempt returns. Raises `UnknownKey` where the
        asking was never begun.
        """
        ...

    async def give_back(self, order: Order) -> None:
        """Release what an attempt has set aside: it is known to have cost nothing. Raises `UnknownKey`."""
        ...

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost, in the order in which they began; None where that is unknown."""
        ...

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """The JSON of every reply that was saved for a step, whatever it was asked, the first one first."""
        ...


class Accounts(Protocol):
    """The accounts of runs. All raise `StorageFull` or `StorageFailed`."""

    async def look(self, tenant: str, run_id: str) -> Account | None:
        """How a run's account stands; None where it has none."""
        ...

    async def charge_call(self, key: StepKey, attempt: int, asking: str, price: Spend) -> None:
        """Charge a call that no ledger records, since it changes nothing; the same asking again charges nothing.

        Raises `WindowSpent` where the account does not cover it, and `NotThisRun` where there is none.
        """
        ...
