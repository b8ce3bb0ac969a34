"""The list of all search attributes. The server's start flags are generated from it."""

from temporalio.common import SearchAttributeKey

TENANT = SearchAttributeKey.for_keyword("Tenant")
"""The tenant whose run it is."""
AGENT = SearchAttributeKey.for_keyword("Agent")
"""The chain, the schema or the agent that the run follows."""
PHASE = SearchAttributeKey.for_keyword("Phase")
"""The current phase, where a phase lasts long enough to be searched for."""
OUTCOME = SearchAttributeKey.for_keyword("Outcome")
"""The `kind` of the run's outcome, once it is over."""
COST_MICROS = SearchAttributeKey.for_int("CostMicros")
"""The settled cost, in micro-dollars."""
STEPS = SearchAttributeKey.for_int("Steps")
"""Paid attempts so far."""
AWAITING_APPROVAL = SearchAttributeKey.for_bool("AwaitingApproval")
"""Whether something in the run waits for a person."""
GUARD_TRIGGERED = SearchAttributeKey.for_keyword_list("GuardTriggered")
"""The guards that found something, whether they blocked or flagged the text."""
PARENT_RUN = SearchAttributeKey.for_keyword("ParentRun")
"""For the run that starts another one as its child; not set yet."""

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
