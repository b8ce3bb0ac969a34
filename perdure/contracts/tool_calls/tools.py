"""Tools as a run pins them: their effect on the world, their allowed arguments, and who approves their calls."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from perdure.contracts.contract import Contract, Digest, Variant
from perdure.contracts.tool_calls.approvals import ApprovalPolicy

ToolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Lower-case letters, digits and underscores, 1 to 63 characters: a Python function's name."""


class ToolEffect(StrEnum):
    """The effect of a call on the world. It decides how a call may be retried."""

    READ_ONLY = "read_only"
    """A call changes nothing: it may be repeated freely."""
    IDEMPOTENT = "idempotent"
    """A second call with the same key changes nothing more."""
    AT_MOST_ONCE = "at_most_once"
    """A call must not be repeated unless it is known not to have happened."""


class Approval(StrEnum):
    """Whether a person has to agree before a tool is called."""

    NEVER = "never"
    """The agent's grant is enough."""
    ALWAYS = "always"
    """Each call waits for a person."""


class AllowedHosts(Variant):
    """A constraint on a URL: its host must be one of these, at the usual ports of the web unless a port is given."""

    kind: Literal["hosts"] = "hosts"
    hosts: tuple[str, ...] = Field(min_length=1)
    """Host names in lower case, `docs.example.com`. `*.example.com` allows every name below it; `docs.example.com:8443`
    allows only that port."""


class AllowedPaths(Variant):
    """A constraint on a path: it must lie under one of these."""

    kind: Literal["paths"] = "paths"
    under: tuple[str, ...] = Field(min_length=1)
    """Paths such as `handbook/`. A path with a slash at its end allows all below it; one without allows exactly itself.
    """


class AllowedAmount(Variant):
    """A constraint on an amount: it must lie between these two, both included."""

    kind: Literal["amount"] = "amount"
    least: Decimal = Decimal(0)
    most: Decimal


Constraint = Annotated[AllowedHosts | AllowedPaths | AllowedAmount, Field(discriminator="kind")]
"""The values that an agent's grant allows for one argument."""


class ToolSpec(Contract):
    """A tool as it was granted to an agent. It is pinned when the run starts."""

    name: ToolName
    digest: Digest
    """The digest of name, description, effect, schema and constrained arguments. Another digest means that the tool was
    changed."""
    description: str
    """The description that the model sees."""
    parameters: dict[str, Any]
    """The JSON schema of the arguments."""
    effect: ToolEffect
    """What a call does to the world."""
    timeout: timedelta
    """How long one call may take."""
    price: int = Field(default=0, ge=0)
    """The most that one call costs, in micro-dollars."""
    approval: Approval = Approval.NEVER
    """Whether each call waits for a person."""
    policy: ApprovalPolicy | None = None
    """Who decides about the calls, and what happens meanwhile; None for the defaults of `ApprovalPolicy`."""
    asks: bool = False
    """Whether a call is a question to a person, whose answer is the result: no code is called."""
    quick: bool = False
    """Whether a call takes less than 50 ms and waits for nothing outside its process."""
    after: tuple[ToolName, ...] = ()
    """Tools that must all have returned in an earlier turn of the run before this one is called."""
    polled: bool = False
    """Whether the same call may come to the same again and again: it waits for something, and is no loop."""
    constraints: dict[str, Constraint] = Field(default_factory=dict[str, Constraint])
    """The constraints by argument name. An argument that needs a constraint and has none here is refused."""
