"""The model catalogue: the deployments of each tier, with their endpoints, capabilities and prices.

`deploy/models/README.md` explains every key of the file.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from activities.ports import NotConfigured
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.contract import Name, explain_each
from perdure.contracts.exact import ExactNumbers

GENERATION_QUEUE = "perdure-generation-"
"""The prefix of task queues, before the deployment's name: one queue each, so that a hung endpoint blocks no other."""

Provider = Literal["hosted_vllm", "sglang", "openai", "anthropic"]
"""The kind of server at an endpoint: vLLM or llama.cpp, SGLang, OpenAI or a service with its API, or Anthropic."""

NonEmpty = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Table(ExactNumbers):
    """The base of all tables of a catalogue file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Capabilities(Table):
    """The capabilities of a deployment beyond text. A prompt that needs more is refused before anything is sent."""

    tools: Literal["native", "schema", "none"] = "none"
    """`native`: its server makes tool calls; `schema`: a JSON schema that lists the tools constrains the reply."""
    json_schema: bool = False
    """Whether it constrains a reply to a JSON schema."""
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
"""The keys whose values no error shows: somebody may write a secret there, instead of its name or in an address."""


MOST_TOKENS = 100_000_000
"""The largest context window that a file may name: more is a slip of the pen."""
HIGHEST_PRICE = 100_000_000_000
"""The highest price in micro-dollars for a million tokens: a hundred thousand dollars."""


class DeploymentEntry(Table):
    """One deployment, as the catalogue file describes it."""

    model: NonEmpty
    """The model's name at its server."""
    provider: Provider
    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^\s@?#]+$")]
    """The address up to and including `/v1`, without a user, a password or a query."""
    context_window: int = Field(ge=1, le=MOST_TOKENS)
    """The size of the context window in tokens, prompt and answer together."""
    prices: Prices
    """Micro-dollars for a million tokens."""
    concurrency: int = Field(ge=1, le=1024)
    """The largest number of calls in flight, for each worker process; the embedded server has as many slots."""
    capabilities: Capabilities = Capabilities()
    answers_as: NonEmpty | None = None
    """The model's name in replies; a reply with another name is not used. None: any name is accepted."""
    api_key: Name | None = None
    """The name under which `PERDURE_MODEL__API_KEYS` holds this endpoint's key; None where it needs none."""
    adapter: Name | None = None
    """The LoRA adapter to use, by the name under which SGLang loaded it; None for the model itself."""
    admin_key: Name | None = None
    """The name under which `PERDURE_MODEL__API_KEYS` holds the key of SGLang's `--admin-api-key`; None where it has
    none. A server with such a key requires it for stopping a call and for loading adapters."""
    weights: NonEmpty | None = None
    """The `files` entry with the weights of an embedded deployment."""

    @property
    def protocol(self) -> str:
        """LiteLLM's name for the endpoint's protocol."""
        return "hosted_vllm" if self.provider == "sglang" else self.provider

    @property
    def root(self) -> str:
        """The server's address without `/v1`."""
        return self.endpoint.rstrip("/").removesuffix("/v1")

    @property
    def request_model(self) -> str:
        """The model's name in a request. SGLang needs both names: given only an adapter's, its base model answers."""
        return self.model if self.adapter is None else f"{self.model}:{self.adapter}"

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_price(cls, fields: Any) -> Any:
        # `Prices` is a contract, and contracts accept unknown fields: with `inptu = 5` the price would be zero.
        prices: object = fields.get("prices") if isinstance(fields, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - TOML
        if isinstance(prices, dict) and (unknown := sorted(set(map(str, prices)) - set(Prices.model_fields))):  # pyright: ignore[reportUnknownArgumentType] - TOML
            raise ValueError(f"prices has no key {unknown[0]!r}: write input and output")
        return fields  # pyright: ignore[reportUnknownVariableType] - TOML

    @field_validator("prices")
    @classmethod
    def _price_in_range(cls, prices: Prices) -> Prices:
        for name, price in prices.model_dump().items():
            if price > HIGHEST_PRICE:
                raise ValueError(f"{name} is above {HIGHEST_PRICE:,} micro-dollars for a million tokens: lower it")
        return prices

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
    """The whole file. The command that fetches files reads `files`."""

    deployments: dict[Name, DeploymentEntry] = Field(min_length=1)
    tiers: dict[Name, tuple[Name, ...]] = Field(min_length=1)
    files: dict[str, Any] = Field(default_factory=dict[str, Any])


class CatalogueFile:
    """The catalogue in a TOML file. Endpoints from the settings replace those of the file."""

    def __init__(self, path: Path, endpoints: Mapping[str, str]) -> None:
        """Read the file. Raises `NotConfigured` with the file, the key and the reason."""
        self._path = path
        try:
            file = _File.model_validate(tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise NotConfigured(
                f"the model catalogue {str(path)!r} cannot be read: {error}; correct it, or set "
                "PERDURE_PATHS__CATALOGUE to another file or to a profile of deploy/models"
            ) from None
        except ValidationError as error:
            lines = [f"the model catalogue {path.name}: {line}" for line in explain_each(error, hidden=HIDDEN)]
            raise NotConfigured("\n".join(lines) + "; deploy/models/README.md explains every key") from None
        self.entries: Mapping[str, DeploymentEntry] = file.deployments
        """Deployments by name."""
        self.tiers: Mapping[str, tuple[str, ...]] = file.tiers
        """The deployments of each tier, the preferred one first."""
        self._check()
        self._endpoints = endpoints

    def deployment_for(self, tier: str, excluding: Sequence[str] = (), window: int | None = None) -> Deployment:
        names = self.tiers.get(tier)
        if names is None:
            tiers = ", ".join(self.tiers)
            raise NotConfigured(f"no deployment serves the tier {tier!r}: the tiers in {self._path.name} are {tiers}")
        candidates = [name for name in names if self.entries[name].context_window >= (window or 0)] or names
        name = next((name for name in candidates if name not in excluding), candidates[0])
        entry = self.entries[name]
        return Deployment(
            name=name,
            tier=tier,
            task_queue=GENERATION_QUEUE + name,
            context_window=entry.context_window,
            prices=entry.prices,
        )

    def entry(self, deployment: str) -> DeploymentEntry:
        """Return the deployment's entry with its current endpoint. Raises `NotConfigured`."""
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
