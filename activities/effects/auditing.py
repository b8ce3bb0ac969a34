"""Stores the decisions that no run could take, since the run was over or there was none."""

from pydantic import TypeAdapter, ValidationError

from activities.ports import Audit, AuditFull
from perdure.contracts.agents.steps import AuditDecision, Audited
from perdure.contracts.contract import BusinessId
from perdure.contracts.tool_calls.decisions import EDITED, REASON
from workflows.effects import AUDIT_DECISION

_BUSINESS_ID: TypeAdapter[str] = TypeAdapter(BusinessId)

LARGEST = 4 * EDITED
"""The largest decision as JSON, in bytes: the longest allowed content, and the names around it."""


class Auditing:
    """The effect `audit_decision`, which a client calls."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @AUDIT_DECISION.activity
    async def audit_decision(self, ask: AuditDecision) -> Audited:
        """Store a decision. Safe to run twice: the same decision is not stored again.

        Any client may send one, about any run: one that no run would read is not stored. Raises `AuditFull`.
        """
        size = len(ask.decision.bare().model_dump_json())
        if size > LARGEST or len(ask.reason) > REASON:
            raise AuditFull(f"a decision of {size:,} bytes and {len(ask.reason):,} characters of a reason: send less")
        try:
            _BUSINESS_ID.validate_python(ask.business_id)
        except ValidationError:
            raise AuditFull("no run has such a business id: it is 1 to 200 characters long") from None
        number = await self._audit.write(ask.tenant, ask.business_id, ask.decision.bare(), ask.reason)
        return Audited(number=number)
