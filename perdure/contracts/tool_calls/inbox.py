"""The inbox: everything that waits for a person, in whatever run."""

from perdure.contracts.contract import Contract
from perdure.contracts.tool_calls.decisions import PendingStep


class InboxEntry(Contract):
    """One step that waits, and whose it is."""

    business_id: str
    tenant: str
    agent: str
    step: PendingStep | None = None
    """None where something waits in the run and its worker does not say what."""
    problem: str = ""
    """Why it does not; empty where it does."""
