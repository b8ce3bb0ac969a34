"""Verifies who made a decision and whether it counts, and stores one that counts for the other effects."""

from typing import Any

from activities.authorization.proof import Proof
from activities.ports import BadCredential, Clock, Credentials, nothing_sent
from perdure.contracts.agents.steps import CheckDecision, CheckedDecision
from workflows.effects import CHECK_DECISION


class Deciding:
    """The effect `check_decision`."""

    def __init__(self, credentials: Credentials, proof: Proof, clock: Clock) -> None:
        self._credentials = credentials
        self._proof = proof
        self._clock = clock

    @CHECK_DECISION.activity
    async def check_decision(self, ask: CheckDecision) -> CheckedDecision:
        """Check and store a decision. Safe to run twice: a stored one counts even if its credential has expired."""
        with nothing_sent():
            credential = ask.decision.credential
            identity = CheckedDecision() if credential is None else await self._verify(ask, credential)
            if ask.pinned is not None:
                return await self._proof.judge(ask, identity)
        # An older workflow version pins no spec and only wants the identity verified. Nothing is stored.
        return CheckedDecision(refused="there is no credential") if ask.decision.credential is None else identity

    async def _verify(self, ask: CheckDecision, credential: str) -> CheckedDecision:
        """Return who signed a credential for exactly this decision. It expires by the database's clock."""
        decision = ask.decision
        try:
            claims = self._credentials.claims(credential, await self._clock.now())
        except BadCredential as error:
            return CheckedDecision(refused=f"the credential cannot be believed: {error}")
        expected = {
            "sub": decision.by,
            "jti": decision.decision_id,
            "run": ask.key.workflow_id,
            "step": decision.step,
            "digest": decision.digest,
            "ruling": decision.ruling.value,
            "said": decision.content,
        }
        other = [name for name, value in expected.items() if claims.get(name) != value]
        if other:
            return CheckedDecision(refused=f"the credential is for another decision: {', '.join(other)} differ")
        return CheckedDecision(groups=_groups(claims), verified=True)


def _groups(claims: dict[str, Any]) -> tuple[str, ...]:
    groups: Any = claims.get("groups", [])
    return tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()  # pyright: ignore[reportUnknownVariableType] - JSON
