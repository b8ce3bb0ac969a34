"""The one list of search attributes. The server's start flags are generated from it."""

from temporalio.common import SearchAttributeKey

TENANT = SearchAttributeKey.for_keyword("Tenant")
AGENT = SearchAttributeKey.for_keyword("Agent")
"""The chain or the agent that runs."""
PHASE = SearchAttributeKey.for_keyword("Phase")
OUTCOME = SearchAttributeKey.for_keyword("Outcome")
COST_MICROS = SearchAttributeKey.for_int("CostMicros")
"""Settled cost in micro-dollars."""
STEPS = SearchAttributeKey.for_int("Steps")
"""Paid attempts so far."""
AWAITING_APPROVAL = SearchAttributeKey.for_bool("AwaitingApproval")
GUARD_TRIGGERED = SearchAttributeKey.for_keyword_list("GuardTriggered")
"""The guards that found something, whether they blocked or flagged."""
PARENT_RUN = SearchAttributeKey.for_keyword("ParentRun")

SEARCH_ATTRIBUTES = (
    TENANT,
    AGENT,
    PHASE,
    OUTCOME,
    COST_MICROS,
    STEPS,
    AWAITING_APPROVAL,
    GUARD_TRIGGERED,
    PARENT_RUN,
)
