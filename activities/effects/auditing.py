"""Writes down the decisions that no run could take: the run was over, or there was none."""

from pydantic import TypeAdapter, ValidationError

from activities.ports import Audit, AuditFull
from perdure.contracts.agents.steps import AuditDecision, Audited
from perdure.contracts.contract import BusinessId
from perdure.contracts.tool_calls.decisions import EDITED, REASON
from workflows.effects import AUDIT_DECISION

_BUSINESS_ID: TypeAdapter[str] = TypeAdapter(BusinessId)

LARGEST = 4 * EDITED
"""Bytes of a decision, as JSON: what one may say at most, and its names."""


class Auditing:
    """The effect `audit_decision`, for which a client asks."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @AUDIT_DECISION.activity
    async def audit_decision(self, ask: AuditDecision) -> Audited:
        """Safe to run twice: a decision that is there already is not written again.

        Any client may ask for it, about any run: what no run would read is not kept either. Raises `AuditFull`.
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
