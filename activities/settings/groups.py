"""The settings of trust and limits: trusted signatures, daily limits of tenants, and keys of payloads."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from perdure.contracts.contract import Name
from perdure.contracts.runs.caller import AUDIENCE
from perdure.contracts.windows import WindowLimit


class Group(BaseModel):
    """The base of a group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class Signatures(Group):
    """The signatures that are trusted."""

    keys: SecretStr | None = None
    """The signers' keys: a JSON Web Key, a set of them, or a public key as PEM; None trusts no signature."""
    issuer: str | None = None
    """The issuer that has to have signed, the claim `iss`; None for any holder of a key."""
    audience: str = "perdure"
    """The audience that a credential has to name, the claim `aud`."""
    longest: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    """The longest validity of a credential; `PT1H` or seconds."""


class Approvals(Signatures):
    """The signatures that make a person's decision a verified one."""


class Callers(Signatures):
    """The signatures on tokens of callers who start runs. While you replace a key, list both, each with its `kid`."""

    audience: str = AUDIENCE
    """The audience that a caller's token has to name, the claim `aud`; not the one of approvals."""
    longest: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    """The longest validity of a caller's token; `PT15M` or seconds. Keep it short: Temporal stores the sent token for
    as long as its namespace retains closed executions."""


class Payloads(Group):
    """The signatures that bind a payload in the database to its run. For workers only."""

    keys: SecretStr | None = None
    """Secrets of at least 32 characters, separated by commas or spaces: the first one signs, and all are trusted. None
    lets the database keep a random one, which its workers share. To replace a secret, add the new one last on every
    worker, then move it first, and remove none while a history exists that was signed with it."""


class DailyLimit(WindowLimit):
    """A daily limit as an operator writes it: a field that is not enforced by the day is an error."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("tool_calls")
    @classmethod
    def _of_a_run(cls, limit: int | None) -> int | None:
        if limit is not None:
            raise ValueError("only what models cost is counted by the day: limit tool calls in each run's budget")
        return limit


class Limits(Group):
    """The daily limits of tenants: what a tenant's runs may spend together on one UTC day. None means no limit."""

    daily: DailyLimit | None = None
    """The limit of each tenant without one of its own: `{"micro_dollars": 5000000}` is five dollars, or
    `PERDURE_LIMITS__DAILY__MICRO_DOLLARS=5000000`. The other fields are `steps`, `input_tokens`,
    `output_tokens`."""
    tenants: dict[Name, DailyLimit] = Field(default_factory=dict[str, DailyLimit])
    """The limits of single tenants, instead of `daily`, as JSON: `{"acme": {"micro_dollars": 20000000}}`; `{}` for
    no limit."""

    def of(self, tenant: str) -> WindowLimit | None:
        """Return a tenant's limit; None if nothing is limited."""
        own = self.tenants.get(tenant, self.daily)
        limit = WindowLimit() if own is None else WindowLimit(**own.model_dump())
        return None if limit == WindowLimit() else limit
