"""Verifies that a decision is the word of who it names: a credential says exactly this, about this step of this run."""

from typing import Any

from activities.ports import BadCredential, Credentials
from perdure.contracts.agent_steps import CheckDecision, CheckedDecision
from workflows.effects import CHECK_DECISION


class Deciding:
    """The effect `check_decision`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @CHECK_DECISION.activity
    async def check_decision(self, ask: CheckDecision) -> CheckedDecision:
        """Safe to run twice: it only looks. A credential that has expired meanwhile is refused."""
        decision = ask.decision
        if decision.credential is None:
            return CheckedDecision(refused="there is no credential")
        try:
            claims = self._credentials.claims(decision.credential)
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
        return CheckedDecision(groups=_groups(claims))


def _groups(claims: dict[str, Any]) -> tuple[str, ...]:
    groups: Any = claims.get("groups", [])
    return tuple(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else ()  # pyright: ignore[reportUnknownVariableType] - JSON
