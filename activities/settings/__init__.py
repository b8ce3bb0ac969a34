"""The settings: one frozen tree, and the only reader of the environment.

A setting is `PERDURE_<GROUP>__<NAME>` in the environment, or a file of that name in `/run/secrets`, where container
runtimes put secrets; the environment comes first. An unknown `PERDURE_` name is an error. The connection to Temporal is
not a setting: it comes from Temporal's own environment configuration (`TEMPORAL_ADDRESS` and its TOML file).
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from activities.settings.errors import explain, explain_json
from activities.settings.foreign_work import ForeignWork
from activities.settings.groups import Approvals, Callers, Group, Limits, Payloads
from activities.settings.names import DELIMITER, PREFIX, secret_files, unknown
from activities.settings.paths import PROFILES as PROFILES
from activities.settings.paths import ROOT as ROOT
from activities.settings.paths import Paths

SECRETS = Path("/run/secrets")
"""The folder where a setting may be a file: `perdure_database__postgres`."""


class Embedded(Group):
    """The embedded stack's addresses, all on loopback."""

    temporal_port: int = Field(default=7233, ge=1, le=65535)
    """Temporal's gRPC port."""
    ui_port: int = Field(default=8233, ge=1, le=65535)
    """The Temporal UI's port."""
    continue_after: int | None = Field(default=None, ge=10)
    """Events after which a run continues in a new execution; None for the server's own number, 4,096. For tests."""
    model_port: int = Field(default=8081, ge=1, le=65535)
    """The port of the model server of the deployment `fast`."""
    strong_port: int = Field(default=8082, ge=1, le=65535)
    """The port of the model server of the deployment `strong`, if the stack is started with that tier."""
    weaviate_port: int = Field(default=8079, ge=1, le=65535)
    """Weaviate's port, if the stack is started with that store."""
    weaviate_grpc_port: int = Field(default=50051, ge=1, le=65535)
    """Weaviate's gRPC port, if the stack is started with that store."""
    desk_port: int = Field(default=8790, ge=1, le=65535)
    """The port of the desk, the small service for agents' tickets and messages, unless the settings name another."""
    model_threads: int = Field(default=max(1, (os.cpu_count() or 1) - 1), ge=1)
    """The threads of each model server. They wait for each other after every operation, so one core is left to Temporal
    and the workers: if one thread had to share its core, all would be slow (measured: a tenth of the speed)."""


class Model(Group):
    """The calls of models."""

    endpoints: dict[str, str] = Field(default_factory=dict[str, str])
    """Endpoints by deployment, over the catalogue's own: `{"fast": "http://127.0.0.1:9000/v1"}`."""
    api_keys: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Keys by the name that a deployment's `api_key` gives in the catalogue, or by the deployment's own name, as JSON:
    `{"openai": "..."}`."""
    timeout_seconds: float = Field(default=240, gt=0)
    """The timeout of one call, in seconds; below the generate effect's timeout of 5 minutes."""
    idle_seconds: float = Field(default=60, gt=0)
    """The longest pause in a reply that has begun to stream, in seconds. Before the first piece the whole timeout
    holds: a server sends nothing while a request is queued and while it reads a long prompt."""

    @field_validator("endpoints")
    @classmethod
    def _addresses(cls, endpoints: dict[str, str]) -> dict[str, str]:
        for number, address in enumerate(endpoints.values(), start=1):
            if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", address):
                raise ValueError(
                    f"entry {number} is no address of a model server: write one such as http://127.0.0.1:30000/v1"
                )
        return endpoints


class Store(Group):
    """The store of document chunks."""

    weaviate: str | None = None
    """Weaviate's address, `https://host:8080`; None keeps them in LanceDB files under the state."""
    weaviate_grpc: str | None = None
    """Weaviate's gRPC address, `host:port`; None for port 50051 of the same host."""
    weaviate_api_key: SecretStr | None = None
    """The key that Weaviate asks for. Its gRPC port listens on every interface: never run it without one."""
    timeout_seconds: float = Field(default=10, gt=0)
    """The timeout of one request to the store's server, in seconds."""


class Database(Group):
    """The database of bodies, paid attempts and their replies."""

    postgres: SecretStr | None = None
    """PostgreSQL's address with libpq's own options, `postgresql://user:password@host/perdure?sslmode=verify-full`;
    None keeps them in a SQLite file under the state."""
    patience_seconds: float = Field(default=20, gt=0)
    """The longest wait of a transaction for other writers or for a restarting server, in seconds; then it fails."""


class Shared(Group):
    """The state that the workers of one deployment share."""

    redis: SecretStr | None = None
    """The address of its Redis, `redis://:password@host:port/0`; None keeps it in each process alone."""


class Tools(Group):
    """The services that tools may reach."""

    services: dict[str, str] = Field(default_factory=dict[str, str])
    """The addresses of services, by the names that tools use: `{"desk": "http://127.0.0.1:9000"}`."""
    timeout_seconds: float = Field(default=20, gt=0)
    """The timeout of one call of a service, in seconds; below a tool's own timeout of 30."""

    @field_validator("services")
    @classmethod
    def _addresses(cls, services: dict[str, str]) -> dict[str, str]:
        for number, address in enumerate(services.values(), start=1):
            if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#@\s]*)?", address):
                raise ValueError(f"entry {number} is no address of a service: write one such as http://127.0.0.1:9000")
        return services


class Work(Group):
    """The concurrency and the version of a worker."""

    workflow_tasks: int = Field(default=32, ge=1)
    """The most workflow tasks at the same time."""
    activities: int = Field(default=16, ge=1)
    """The most effects at the same time, without calls of models: the catalogue's `concurrency` limits those."""
    deployment: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """The Temporal worker deployment, `perdure`, for runs that keep their version: agents end with the version that
    they began with, chains continue with the current one. None: no versions, and every worker takes every run."""
    build: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    """This worker's version, `v1`; None for a digest of the code that decides runs."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.build is not None and self.deployment is None:
            raise ValueError(
                "PERDURE_WORK__BUILD is a version of a deployment: set PERDURE_WORK__DEPLOYMENT too, to perdure"
            )
        return self


class Tokens(Group):
    """The token log: replies of models while they are written."""

    redis: SecretStr | None = None
    """The address of its Redis, `redis://:password@host:port/0`; None keeps it in a SQLite file under the state."""
    keep: timedelta = Field(default=timedelta(hours=24), gt=timedelta(0))
    """The time that a reply stays there after its attempt began; `PT24H` or seconds."""


class Telemetry(Group):
    """Traces and logs."""

    otlp_endpoint: str | None = None
    """An OTLP/HTTP collector, for example `http://127.0.0.1:4318`; None writes spans to a file under the state."""
    traces: bool = True
    """Whether spans are recorded at all."""
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


class Settings(BaseSettings):
    """The whole tree of settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        secrets_dir=SECRETS,
        secrets_dir_missing="ok",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    paths: Paths = Paths()
    embedded: Embedded = Embedded()
    model: Model = Model()
    store: Store = Store()
    database: Database = Database()
    shared: Shared = Shared()
    limits: Limits = Limits()
    work: Work = Work()
    foreign_work: ForeignWork = ForeignWork()
    tokens: Tokens = Tokens()
    tools: Tools = Tools()
    approvals: Approvals = Approvals()
    callers: Callers = Callers()
    payloads: Payloads = Payloads()
    telemetry: Telemetry = Telemetry()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then secret files; no `.env` is ever read."""
        return init_settings, env_settings, NestedSecretsSettingsSource(file_secret_settings)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Refuse a name that belongs to no group, in the way of a name that its group does not know."""
        # A file with a suffix is no setting: another program put it there.
        names = [*os.environ, *(path.name for path in _files() if not path.suffix)]
        return {**values, **{name.removeprefix(PREFIX).lower(): None for name in unknown(cls, names)}}


@cache
def load() -> Settings:
    """Read the environment once. An invalid setting ends the process with one line that names it."""
    try:
        return Settings()
    except ValidationError as error:
        problem = explain(error, Settings, _values_set())
    except SettingsError:
        problem = explain_json(Settings, _values_set())
    except UnicodeDecodeError:
        problem = "a secret file is no text in UTF-8: write it again"
    sys.exit(f"perdure: a PERDURE_ setting cannot be used: {problem}")


def _values_set() -> dict[str, str]:
    """Return the values that are set, by names in capitals: the environment over the secret files."""
    files = {path.name.upper(): path.read_text() for path in _files()}
    return files | {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}


def _files() -> list[Path]:
    return secret_files(Path(str(Settings.model_config.get("secrets_dir", SECRETS))))


def environment_with(keeping: Sequence[str] | None = None, **extra: str) -> dict[str, str]:
    """Return this process's environment, or its variables in `keeping`, with more, for a process that it starts."""
    kept = os.environ if keeping is None else {name: os.environ[name] for name in keeping if name in os.environ}
    return {**kept, **extra}


def adopt(settings: Mapping[str, str], keeping: Sequence[str] = ()) -> Settings:
    """Make these the only settings of this process and of the processes that it starts, and return them.

    Settings of its environment are removed, except those in `keeping`, and so is Temporal's configuration.
    """
    for name in [name for name in os.environ if name.startswith(("PERDURE_", "TEMPORAL_")) and name not in keeping]:
        del os.environ[name]
    os.environ.update(settings, TEMPORAL_CONFIG_FILE=os.devnull)
    load.cache_clear()
    return load()


def quiet_libraries() -> None:
    """Keep slow libraries from using the network at import, or seconds. Call it before they are imported."""
    # An import of it fails, and jsonschema does without: it compiles a grammar for two seconds.
    sys.modules["rfc3987_syntax"] = None  # pyright: ignore[reportArgumentType]
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
