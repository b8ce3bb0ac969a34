"""Says whose word a decision is and whether it counts, and writes down one that does: other effects ask for that."""

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
        """Safe to run twice: what is recorded is answered the same, also once its credential has expired."""
        with nothing_sent():
            credential = ask.decision.credential
            whose = CheckedDecision() if credential is None else await self._whose(ask, credential)
            if ask.pinned is not None:
                return await self._proof.take(ask, whose)
        # A run whose people an older version has asked: it only wants to know whose word it is. Nothing is recorded.
        return CheckedDecision(refused="there is no credential") if ask.decision.credential is None else whose

    async def _whose(self, ask: CheckDecision, credential: str) -> CheckedDecision:
        """What a credential says, where it says exactly this; it expires by the database's clock."""
        decision = ask.decision
        try:
            claims = self._credentials.claims(credential, await self._clock.now())
        except BadCredential as error:
            return CheckedDecision(refused=f"the credential cannot be believed: {error}")
        meant = {
            "sub": decision.by,
            "jti": decision.decision_id,
            "run": ask.key.workflow_id,
            "step": decision.step,
            "digest": decision.digest,
            "ruling": decision.ruling.value,
            "said": decision.content,
        }
        other = [name for name, value in meant.items() if claims.get(name) != value]
        if other:
            return CheckedDecision(refused=f"the credential is for another decision: {', '.join(other)} differ")
        return CheckedDecision(groups=_groups(claims), verified=True)


def _groups(claims: dict[str, Any]) -> tuple[str, ...]:
    groups: Any = claims.get("groups", [])
    return tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()  # pyright: ignore[reportUnknownVariableType] - JSON
