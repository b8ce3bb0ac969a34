"""The registry of runs: what an effect may believe of the run that asks for it, whatever the request says."""

from pydantic import AwareDatetime, Field

from perdure.contracts.budget import Budget
from perdure.contracts.contract import Contract, Digest, Name

CHAIN, EXTRACTION, AGENT = "chain", "extraction", "agent"
"""The workflow types."""

ANONYMOUS = "anonymous"
"""The subject of a run whose starter showed no caller token."""


class RegisteredRun(Contract):
    """One run, as its first effect registered it. Effects that spend, act or settle look here, at no request's word.

    All executions of a run are one: those after a continue-as-new, a reset or a retry keep the first one's run id.
    """

    tenant: Name
    workflow_id: str
    """It begins with `tenant:`."""
    run_id: str
    """The first execution's run id: with the tenant it is the key."""
    kind: str
    """The workflow type: `chain`, `extraction` or `agent`."""
    spec: str
    """The name of the spec that the run follows."""
    pinned: Digest
    """Of the pinned spec: an agent's as JSON in the store, a chain's or a schema's as its file. It covers the policies
    and the tools, whose digests stand below for whoever reads the registry."""
    tools: dict[str, Digest] = Field(default_factory=dict[str, Digest])
    """By the tool's name: the edition that was granted."""
    policies: dict[str, Digest] = Field(default_factory=dict[str, Digest])
    """By the tool's name: of what its grant says about approval, SHA-256."""
    budget: Budget
    """What the run may use up at most: the limit of its account."""
    subject: str = ANONYMOUS
    """Who started it, as a verified caller token says."""
    started_by: str = ""
    """Who started it by the starter's own word; empty where nobody said. It bars, and never grants."""
    groups: tuple[str, ...] = ()
    """The subject's groups, as the token says."""
    roles: tuple[str, ...] = ()
    """The subject's roles, as the token says."""
    parent: str = ""
    """The first run id of the run that started this one as its child; empty for none."""
    registered_at: AwareDatetime | None = None
    """UTC, by the database's clock."""
