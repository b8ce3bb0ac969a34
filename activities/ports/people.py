"""What decisions of people need: somebody who knows a signature, and a place for what no run could take."""

from typing import Any, Protocol

from perdure.contracts.decisions import StepDecision


class Credentials(Protocol):
    """Knows whether a credential was signed by whom the operator trusts, for us, and lately."""

    def claims(self, credential: str) -> dict[str, Any]:
        """What a credential claims. Raises `BadCredential`, in whose words nothing of the credential stands."""
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
