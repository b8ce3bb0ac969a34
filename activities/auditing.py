"""Writes down the decisions that no run could take: the run was over, or there was none."""

from activities.ports import Audit
from perdure.contracts.agent_steps import AuditDecision, Audited
from workflows.effects import AUDIT_DECISION


class Auditing:
    """The effect `audit_decision`, for which a client asks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @AUDIT_DECISION.activity
    async def audit_decision(self, ask: AuditDecision) -> Audited:
        """Safe to run twice: a decision that is there already is not written again."""
        number = await self._audit.write(ask.tenant, ask.business_id, ask.decision.bare(), ask.reason)
        return Audited(number=number)
