"""The registry of runs: what an effect may trust about a run, whatever the request says."""

from pydantic import AwareDatetime, Field

from perdure.contracts.budget import Budget
from perdure.contracts.contract import Contract, Digest, Name

CHAIN, EXTRACTION, AGENT = "chain", "extraction", "agent"
"""The workflow types."""

ANONYMOUS = "anonymous"
"""The subject of a run whose starter showed no caller token."""


class RegisteredRun(Contract):
    """A run, as its first effect registered it. Effects that spend, act or settle trust this, and no request.

    All executions of a run share one entry: those after a continue-as-new, a reset or a retry keep the first
    execution's run id.
    """

    tenant: Name
    workflow_id: str
    """It begins with `tenant:`."""
    run_id: str
    """The first execution's run id. It is the key, together with the tenant."""
    kind: str
    """The workflow type: `chain`, `extraction` or `agent`."""
    spec: str
    """The name of the spec that the run follows: a chain, a schema or an agent."""
    pinned: Digest
    """The digest of the pinned spec: of the stored JSON for an agent, of the file for a chain or a schema. It covers
    policies and tools; their digests are repeated below for readers of the registry."""
    tools: dict[str, Digest] = Field(default_factory=dict[str, Digest])
    """The digests of the granted tools, by the tool's name."""
    policies: dict[str, Digest] = Field(default_factory=dict[str, Digest])
    """The SHA-256 of each grant's approval rules, by the tool's name."""
    budget: Budget
    """The budget of the run: the limit of its account."""
    subject: str = ANONYMOUS
    """The caller who started the run, from a verified token."""
    started_by: str = ""
    """The name that the starter gave, unverified; empty for none. It can bar from deciding, and grants nothing."""
    groups: tuple[str, ...] = ()
    """The subject's groups, from the token."""
    roles: tuple[str, ...] = ()
    """The subject's roles, from the token."""
    parent: str = ""
    """The first run id of the run that started this one as its child; empty for none."""
    registered_at: AwareDatetime | None = None
    """The moment of registration, in UTC by the database's clock."""
