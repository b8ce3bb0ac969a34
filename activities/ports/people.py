"""What people need who decide and who start runs: somebody who knows a signature, and a place for what they say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perdure.contracts.contract import Digest
from perdure.contracts.runs.caller import Identity
from perdure.contracts.tool_calls.decisions import StepDecision


class Credentials(Protocol):
    """Knows whether a credential was signed by whom the operator trusts, for us, and lately."""

    def claims(self, credential: str, at: datetime | None = None) -> dict[str, Any]:
        """What a credential claims that was good at that moment, or is now.

        Raises `BadCredential`, in whose words nothing of the credential stands.
        """
        ...


class Audit(Protocol):
    """Keeps the decisions that no run could take. Nothing is ever taken out of it."""

    async def write(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> int:
        """Write one down, and say how many decisions of this id were for this run; the same again changes nothing.

        Raises `StorageFull`, `StorageFailed`.
        """
        ...

    async def read(self, tenant: str, business_id: str) -> tuple[tuple[StepDecision, str], ...]:
        """What was decided about a run in vain, and why, in that order. Raises `StorageFailed`."""
        ...


@dataclass(frozen=True)
class ShownCaller:
    """A caller's token that was shown, without the token."""

    ticket: Digest
    workflow_id: str
    """Of the one run that it was shown for."""
    sent_at: datetime
    """When the client sent it, UTC, by the Temporal server's clock."""
    identity: Identity | None = None
    """Who it says they are; None where it was refused."""
    expires_at: datetime | None = None
    """Until when it is good; None where it was refused."""
    refused: str = ""
    """Why it cannot be believed; empty where it can."""


class Callers(Protocol):
    """Keeps who has shown a token for which run, and lets each ticket be used by one run. No token is ever kept."""

    async def show(self, tenant: str, shown: ShownCaller) -> Identity | None:
        """Write down what a token came to; who is known by its ticket from now on, None where it stands refused.

        The first identity stays, whatever the token comes to later. It replaces a refusal: the key may have been
        unknown at first. Raises `StorageFull`, `StorageFailed`.
        """
        ...

    async def redeem(
        self, tenant: str, ticket: Digest, workflow_id: str, run_id: str, started_at: datetime | None = None
    ) -> Identity | None:
        """Who has shown the token of a run's ticket; None while nothing was shown, for a minute at most.

        The first run that redeems a ticket uses it up: it hears the same for ever, and every other run is refused.
        `run_id` is the run's first execution's, `started_at` when that began. Raises `BadCaller` where the token was
        refused or nobody showed any, where the ticket belongs to another run, or where the run began after the token
        had expired; `StorageFull`, `StorageFailed`.
        """
        ...
