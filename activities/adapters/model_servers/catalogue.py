"""The model catalogue: which deployments a tier may use, where each answers, what it can do, and what it costs.

`deploy/models/README.md` explains every key of the file.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from activities.ports import NotConfigured
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.contract import Name, explain

GENERATION_QUEUE = "perdure-generation-"
"""Followed by the deployment's name: one task queue for each endpoint, so that a hung one starves no other."""

Provider = Literal["hosted_vllm", "sglang", "openai", "anthropic"]
"""What answers at an endpoint: a server of one's own, SGLang among them, OpenAI and what copies it, or Anthropic."""

Written = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Table(BaseModel):
    """The base of what a catalogue file holds: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Capabilities(Table):
    """What a deployment can do beyond text. A prompt that asks for more is refused before anything is sent."""

    tools: Literal["native", "schema", "none"] = "none"
    """`native`: by its server's own tool calls; `schema`: by a reply held to a schema that lists the tools."""
    json_schema: bool = False
    """Whether it holds a reply to a JSON schema."""
    logprobs: bool = False
    """Whether it reports log probabilities."""
    adapters: bool = False
    """Whether it serves LoRA adapters beside its model."""

    @model_validator(mode="after")
    def _schema_for_tools(self) -> Self:
        if self.tools == "schema" and not self.json_schema:
            raise ValueError('tools = "schema" needs json_schema = true')
        return self


HIDDEN = frozenset({"api_key", "admin_key", "endpoint"})
"""Where somebody may write a secret itself in place of its name, or beside an address: no error shows it."""


class DeploymentEntry(Table):
    """One deployment, as the catalogue file describes it."""

    model: Written
    """The model as its server calls it."""
    provider: Provider
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@?#]+$")]
    """The address up to and including `/v1`, without a user, a password or a query."""
    context_window: int = Field(ge=1)
    """Tokens, prompt and answer together."""
    prices: Prices
    """Micro-dollars for a million tokens."""
    concurrency: int = Field(ge=1, le=1024)
    """Calls in flight at the same time, for each worker process; the embedded server answers as many at once."""
    capabilities: Capabilities = Capabilities()
    answers_as: Written | None = None
    """How replies name the model; a reply under another name is not used. None: replies are not compared."""
    api_key: Name | None = None
    """The name under which `PERDURE_MODEL__API_KEYS` holds this endpoint's key; None where it needs none."""
    adapter: Name | None = None
    """The LoRA adapter that answers, by the name under which SGLang loaded it; None for the model itself."""
    admin_key: Name | None = None
    """The name under which `PERDURE_MODEL__API_KEYS` holds the key of SGLang's `--admin-api-key`, which stopping a call
    and loading adapters need then; None where it has none."""
    weights: Written | None = None
    """The `files` entry with the weights of an embedded deployment."""

    @property
    def protocol(self) -> str:
        """LiteLLM's name for what the endpoint speaks."""
        return "hosted_vllm" if self.provider == "sglang" else self.provider

    @property
    def root(self) -> str:
        """The server's address without `/v1`."""
        return self.endpoint.rstrip("/").removesuffix("/v1")

    @property
    def asked_as(self) -> str:
        """The model's name in a request. SGLang takes an adapter only so: by its own name alone the base answers."""
        return self.model if self.adapter is None else f"{self.model}:{self.adapter}"

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_price(cls, fields: Any) -> Any:
        # A price is a contract, and contracts take unknown fields: here `inptu = 5` would be a price of nothing.
        prices: object = fields.get("prices") if isinstance(fields, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - TOML
        if isinstance(prices, dict) and (unknown := sorted(set(map(str, prices)) - set(Prices.model_fields))):  # pyright: ignore[reportUnknownArgumentType] - TOML
            raise ValueError(f"prices has no key {unknown[0]!r}: write input and output")
        return fields  # pyright: ignore[reportUnknownVariableType] - TOML

    @model_validator(mode="after")
    def _only_for_sglang(self) -> Self:
        for key in ("adapter", "admin_key"):
            if getattr(self, key) is not None and self.provider != "sglang":
                raise ValueError(f'{key} is for provider = "sglang" alone: remove it')
        if self.adapter is not None and not self.capabilities.adapters:
            raise ValueError("adapter needs capabilities.adapters = true")
        if self.provider == "sglang" and ":" in self.model:
            raise ValueError(f"SGLang takes {self.model!r} for a model and its adapter: write what follows as adapter")
        if self.provider == "sglang" and not self.endpoint.rstrip("/").endswith("/v1"):
            raise ValueError(f"the endpoint {self.endpoint!r} of SGLang must end in /v1")
        return self


class _File(Table):
    """The whole file. `files` is read by what fetches them."""

    deployments: dict[Name, DeploymentEntry] = Field(min_length=1)
    tiers: dict[Name, tuple[Name, ...]] = Field(min_length=1)
    files: dict[str, Any] = Field(default_factory=dict[str, Any])


class CatalogueFile:
    """The catalogue in a TOML file, with endpoints from the settings over its own."""

    def __init__(self, path: Path, endpoints: Mapping[str, str]) -> None:
        """Read the file. Raises `NotConfigured` with the file, the key and the reason."""
        self._path = path
        try:
            found = _File.model_validate(tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise NotConfigured(
                f"the model catalogue {str(path)!r} cannot be read: {error}; correct it, or set "
                "PERDURE_PATHS__CATALOGUE to another file or to a profile of deploy/models"
            ) from None
        except ValidationError as error:
            raise NotConfigured(
                f"the model catalogue {path.name}: {explain(error, hidden=HIDDEN)}; "
                "deploy/models/README.md explains every key"
            ) from None
        self.entries: Mapping[str, DeploymentEntry] = found.deployments
        """Deployments by name."""
        self.tiers: Mapping[str, tuple[str, ...]] = found.tiers
        """The deployments of each tier, the preferred one first."""
        self._check()
        self._endpoints = endpoints

    def deployment_for(self, tier: str, excluding: Sequence[str] = (), window: int | None = None) -> Deployment:
        names = self.tiers.get(tier)
        if names is None:
            tiers = ", ".join(self.tiers)
            raise NotConfigured(f"no deployment serves the tier {tier!r}: the tiers in {self._path.name} are {tiers}")
        roomy = [name for name in names if self.entries[name].context_window >= (window or 0)] or names
        name = next((name for name in roomy if name not in excluding), roomy[0])
        entry = self.entries[name]
        return Deployment(
            name=name,
            tier=tier,
            task_queue=GENERATION_QUEUE + name,
            context_window=entry.context_window,
            prices=entry.prices,
        )

    def entry(self, deployment: str) -> DeploymentEntry:
        """The deployment's entry, with its endpoint as it is now. Raises `NotConfigured`."""
        entry = self.entries.get(deployment)
        if entry is None:
            known = ", ".join(self.entries)
            raise NotConfigured(f"there is no deployment {deployment!r}: {self._path.name} has {known}")
        endpoint = self._endpoints.get(deployment, entry.endpoint)
        return entry.model_copy(update={"endpoint": endpoint})

    def prices_of(self, deployment: str) -> tuple[Prices, int]:
        entry = self.entry(deployment)
        return entry.prices, entry.context_window

    def _check(self) -> None:
        """Raise `NotConfigured` where tiers and deployments do not fit together."""
        where = f"the model catalogue {self._path.name}"
        for tier, names in self.tiers.items():
            if not names:
                raise NotConfigured(f"{where}: tiers.{tier} is empty: name its deployments, the preferred one first")
            for name in names:
                if name not in self.entries:
                    known = ", ".join(self.entries)
                    raise NotConfigured(
                        f"{where}: tiers.{tier} names the deployment {name!r}, which does not exist: the file has "
                        f"{known}; correct the name or describe it under [deployments.{name}]"
                    )
            if len(set(names)) < len(names):
                raise NotConfigured(f"{where}: tiers.{tier} names a deployment twice ({', '.join(names)}): remove one")
        for name in self.entries:
            if not any(name in names for names in self.tiers.values()):
                raise NotConfigured(
                    f"{where}: deployments.{name} is in no tier, so nothing would use it: add {name!r} to one under "
                    "[tiers], or remove it"
                )
