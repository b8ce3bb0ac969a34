"""Ports for people who decide and who start runs: their credentials, their identities, and an audit of decisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perdure.contracts.contract import Digest
from perdure.contracts.runs.caller import Identity
from perdure.contracts.tool_calls.decisions import StepDecision


class Credentials(Protocol):
    """Verifies that a credential was signed by a trusted issuer, for this platform, and has not expired."""

    def claims(self, credential: str, at: datetime | None = None) -> dict[str, Any]:
        """Return the claims of a credential that is valid at a moment, by default now.

        Raises `BadCredential`, whose message holds nothing of the credential.
        """
        ...


class Audit(Protocol):
    """Stores the decisions that no run could take. Nothing is ever deleted."""

    async def write(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> int:
        """Store a decision, and return how many of its id are stored for this run. The same one again changes nothing.

        Raises `StorageFull`, `StorageFailed`.
        """
        ...

    async def read(self, tenant: str, business_id: str) -> tuple[tuple[StepDecision, str], ...]:
        """Return the decisions that a run did not take, each with the reason, oldest first. Raises `StorageFailed`."""
        ...


@dataclass(frozen=True)
class ShownCaller:
    """The verification of a caller's token, without the token."""

    ticket: Digest
    workflow_id: str
    """The workflow id of the one run that the token was sent for."""
    sent_at: datetime
    """The time when the client sent it, UTC, by the Temporal server's clock."""
    identity: Identity | None = None
    """The caller's identity; None if the token was refused."""
    expires_at: datetime | None = None
    """The time until which it is valid; None if it was refused."""
    refused: str = ""
    """Why it was refused; empty if it was not."""


class Callers(Protocol):
    """Stores the verified identity for each ticket, and lets one run use each ticket. No token is ever stored."""

    async def show(self, tenant: str, shown: ShownCaller) -> Identity | None:
        """Store a verification, and return the identity of its ticket from now on; None if it is refused.

        The first identity stays, even if the token is refused later. It replaces an earlier refusal, since the key may
        have been unknown at first. Raises `StorageFull`, `StorageFailed`.
        """
        ...

    async def redeem(
        self, tenant: str, ticket: Digest, workflow_id: str, run_id: str, started_at: datetime | None = None
    ) -> Identity | None:
        """Return the identity of a run's ticket; None until its token is verified, for a minute at most.

        The first run that redeems a ticket owns it: it always gets the same identity, and every other run is refused.
        `run_id` is the id of the run's first execution, `started_at` the time when that began. Raises `BadCaller` if
        the token was refused or never sent, if the ticket belongs to another run, or if the run began after the token
        had expired; `StorageFull`, `StorageFailed`.
        """
        ...
