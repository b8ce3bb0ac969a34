"""The settings that bind: whose signature counts, what each tenant may spend in a day, whose payloads are read."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from perdure.contracts.contract import Name
from perdure.contracts.runs.caller import AUDIENCE
from perdure.contracts.windows import WindowLimit


class Group(BaseModel):
    """The base of a group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class Signatures(Group):
    """Whose signatures are believed."""

    keys: SecretStr | None = None
    """The keys of who signs: a JSON Web Key, a set of them, or a public key as PEM; None believes nobody."""
    issuer: str | None = None
    """Who has to have signed, the claim `iss`; None for whoever holds the key."""
    audience: str = "perdure"
    """Whom a credential has to be for, the claim `aud`."""
    longest: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    """How long a credential may be good for; `PT1H` or seconds."""


class Approvals(Signatures):
    """Whose signature makes a person's decision a verified one."""


class Callers(Signatures):
    """Whose signature says who starts a run. While keys are replaced both stand in the set, each with its `kid`."""

    audience: str = AUDIENCE
    """Whom a caller's token has to be for, the claim `aud`: another one than that of approvals."""
    longest: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    """How long a caller's token may be good for; `PT15M` or seconds. Temporal keeps what was sent for as long as its
    namespace retains what is over, so it should be worth nothing soon."""


class Payloads(Group):
    """What binds a payload that lies in the database to the run it belongs to. For workers only."""

    keys: SecretStr | None = None
    """Secrets of at least 32 characters, with commas or spaces between them: the first signs, each of them is believed.
    None has the database keep a random one, which its workers share. Put a new one last on every worker, then first,
    and take none away while a history lives that was signed with it."""


class DailyLimit(WindowLimit):
    """A limit as an operator writes it: what would not be kept to is an error."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("tool_calls")
    @classmethod
    def _of_a_run(cls, limit: int | None) -> int | None:
        if limit is not None:
            raise ValueError("only what models cost is counted by the day: limit tool calls in each run's budget")
        return limit


class Limits(Group):
    """What the runs of one tenant may spend together on one UTC day; one without a limit is not counted."""

    daily: DailyLimit | None = None
    """For each tenant that has none of its own: `{"micro_dollars": 5000000}` is five dollars, or
    `PERDURE_LIMITS__DAILY__MICRO_DOLLARS=5000000`. The others are `steps`, `input_tokens`, `output_tokens`."""
    tenants: dict[Name, DailyLimit] = Field(default_factory=dict[str, DailyLimit])
    """For single tenants, in place of all of the above, as JSON: `{"acme": {"micro_dollars": 20000000}}`; `{}` for
    no limit."""

    def of(self, tenant: str) -> WindowLimit | None:
        """A tenant's limit; None where nothing is limited."""
        found = self.tenants.get(tenant, self.daily)
        limit = WindowLimit() if found is None else WindowLimit(**found.model_dump())
        return None if limit == WindowLimit() else limit
