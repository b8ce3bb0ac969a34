"""Tools as a run pins them: what one does to the world, what it may be called with, and who has to agree."""

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
    """What calling a tool does to the world, and so how it may be retried."""

    READ_ONLY = "read_only"
    """It changes nothing: it may be called again at will."""
    IDEMPOTENT = "idempotent"
    """Called again with the same key, it changes nothing more."""
    AT_MOST_ONCE = "at_most_once"
    """It must never be called again unless it is known that it did not happen."""


class Approval(StrEnum):
    """Whether a person has to agree before a tool is called."""

    NEVER = "never"
    """The agent's grant is enough."""
    ALWAYS = "always"
    """Each call waits for a person."""


class AllowedHosts(Variant):
    """A URL's host must be one of these, at the usual ports of the web unless another is named."""

    kind: Literal["hosts"] = "hosts"
    hosts: tuple[str, ...] = Field(min_length=1)
    """Lower-case names, `docs.example.com`; `*.example.com` allows every name below it, and `docs.example.com:8443`
    that port alone."""


class AllowedPaths(Variant):
    """A path must lie under one of these."""

    kind: Literal["paths"] = "paths"
    under: tuple[str, ...] = Field(min_length=1)
    """`handbook/`; each ends with a slash, or names one thing exactly."""


class AllowedAmount(Variant):
    """An amount must lie between these, both included."""

    kind: Literal["amount"] = "amount"
    least: Decimal = Decimal(0)
    most: Decimal


Constraint = Annotated[AllowedHosts | AllowedPaths | AllowedAmount, Field(discriminator="kind")]
"""What an agent's grant allows for one argument."""


class ToolSpec(Contract):
    """A tool as an agent was granted it, pinned when the run starts."""

    name: ToolName
    digest: Digest
    """Of name, description, effect, schema and what is constrained: another one means that the tool was changed."""
    description: str
    """As the model sees it."""
    parameters: dict[str, Any]
    """The JSON schema of its arguments."""
    effect: ToolEffect
    timeout: timedelta
    """How long one call may take."""
    price: int = Field(default=0, ge=0)
    """Micro-dollars that one call costs at most."""
    approval: Approval = Approval.NEVER
    policy: ApprovalPolicy | None = None
    """Who decides about its calls, and what happens meanwhile; None for the policy's own defaults."""
    asks: bool = False
    """Whether a call is a question to a person, whose answer is its result: nothing is called."""
    quick: bool = False
    """Whether a call takes less than 50 ms and waits for nothing outside of its process."""
    after: tuple[ToolName, ...] = ()
    """What has to have returned in an earlier turn of the run before this is called, every one of them."""
    constraints: dict[str, Constraint] = Field(default_factory=dict[str, Constraint])
    """By argument. An argument that needs one and has none here is refused."""
