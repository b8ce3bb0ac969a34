"""Ports for durable storage: bodies by digest, paid replies, and the accounts of runs."""

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
    """Stores bodies by tenant and digest."""

    async def put(self, tenant: str, body: bytes) -> str:
        """Store a body and return its SHA-256. Storing it again changes nothing."""
        ...

    async def put_all(self, tenant: str, bodies: Sequence[bytes]) -> list[str]:
        """Store several bodies at once, and return their digests in order. Storing them again changes nothing."""
        ...

    async def get(self, tenant: str, digest: str) -> bytes:
        """Return the body of a digest. Raises `BodyMissing` or `BodyCorrupt`."""
        ...

    async def get_all(self, tenant: str, digests: Sequence[str]) -> list[bytes]:
        """Return several bodies at once, in the order of their digests. Raises `BodyMissing` or `BodyCorrupt`."""
        ...


Paid = TypeVar("Paid", bound=PaidReply)


@dataclass(frozen=True, kw_only=True)
class Order:
    """One paid attempt, as it is recorded before the call."""

    key: StepKey
    attempt: int
    """The attempt's number in the workflow. After a reset the numbers begin again."""
    question: Digest
    """The digest of the workflow's question, for any deployment: a saved reply answers no other question."""
    worst: Spend
    """The most that it may cost."""
    bodies: Sequence[bytes] = ()
    """The bodies that the call needs and that are not stored yet."""
    asking: str = field(default_factory=lambda: uuid.uuid4().hex)
    """A unique id of this attempt, by which a repeated transaction recognizes itself."""


class PaidReplies(Protocol):
    """Records every paid attempt before its call, and saves every reply before it is acknowledged.

    The run's account and its tenant's day are charged in the same transactions. Each method may be repeated. All raise
    `StorageFull` or `StorageFailed`.
    """

    async def begin(self, order: Order, reply: type[Paid]) -> Paid | None:
        """Return the reply that was saved for this question; otherwise record this attempt and return None.

        Its worst case is reserved and its bodies are stored in the same transaction. Each order is an attempt of its
        own, even if its number comes again after a reset. A saved reply holds all charges known by now, by the number
        in the workflow; an attempt that buys nothing has cost zero.
        Raises `WindowSpent` if the run's account or its tenant's day does not cover the worst case, and `NotThisRun` if
        the run has no account: then nothing is recorded.
        """
        ...

    async def save(self, order: Order, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save an attempt's reply, settle its cost, and store the bodies of these texts, in one transaction.

        Every attempt returns the first reply that was saved for its question. Raises `UnknownKey` if the order was
        never begun.
        """
        ...

    async def give_back(self, order: Order) -> None:
        """Release the reservation of an attempt that is known to have cost nothing. Raises `UnknownKey`."""
        ...

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """Return the cost of each recorded attempt, in the order in which they began; None if it is unknown."""
        ...

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """Return the JSON of every reply that was saved for a step, for any question, the oldest first."""
        ...


class Accounts(Protocol):
    """The accounts of runs. All raise `StorageFull` or `StorageFailed`."""

    async def look(self, tenant: str, run_id: str) -> Account | None:
        """Return a run's account; None if it has none."""
        ...

    async def charge_call(self, key: StepKey, attempt: int, asking: str, price: Spend) -> None:
        """Charge a read-only call, which no ledger records. The same `asking` again charges nothing.

        Raises `WindowSpent` if the account does not cover it, and `NotThisRun` if there is none.
        """
        ...
