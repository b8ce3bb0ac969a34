"""Chooses the parts of an embedded stack by the settings, and checks beforehand that each of them can start."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from activities import settings as tree
from activities.settings import ROOT, Settings
from deploy.local.stack import desk, external_models, model_server, temporal
from deploy.local.stack.model_server import Serving
from deploy.local.weights import weights
from deploy.local.weights.weights import Served
from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, require_free
from deploy.processes.process import Process
from deploy.processes.state_file import Addresses
from deploy.weaviate import server as weaviate

DESK = "desk"
"""The name by which tools call the service for tickets and messages."""

WORKER = "the worker"
"""The name of the worker, in messages about it."""


@dataclass(frozen=True)
class Parts:
    """The parts of a stack, none of which runs yet."""

    addresses: Addresses
    processes: tuple[Process, ...]
    """All parts in the order of their start."""
    new_worker: Callable[[], Process] | None
    """Makes another process for the worker; None where the stack has no worker."""


@dataclass(frozen=True)
class Choice:
    """The choice of parts: the settings, and what is left out."""

    settings: Settings
    tiers: Sequence[str]
    model: bool
    """Whether model servers are started."""
    worker: bool
    """Whether a worker is started."""

    def parts(self) -> Parts:
        """Return the parts. Every check that can fail comes before anything starts. Raises `DeployError`."""
        embedded = self.settings.embedded
        external = temporal.external_address()
        served = self._served() if self.model else {}
        self._require(external, served)
        servers = {name: self._serving(name, deployment) for name, deployment in served.items()}
        store = weaviate.serving(self.settings) if weaviate.is_embedded(self.settings) else None

        addresses = Addresses(
            temporal=external or f"{HOST}:{embedded.temporal_port}",
            ui=None if external else f"http://{HOST}:{embedded.ui_port}",
            models={
                **self.settings.model.endpoints,
                **{name: f"http://{HOST}:{serving.port}/v1" for name, serving in servers.items()},
            },
            store=self.settings.store.weaviate,
            desk=f"http://{HOST}:{embedded.desk_port}" if self._own_desk else None,
        )
        state = self.settings.paths.state.resolve()
        logs = state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        processes: list[Process] = []
        if external is None:
            ports = embedded.temporal_port, embedded.ui_port
            processes.append(temporal.part(*ports, state, logs, continue_after=embedded.continue_after))
        if store is not None:
            processes.append(weaviate.part(store, logs / "weaviate.log"))
        processes += [_model_part(name, serving, logs) for name, serving in servers.items()]
        if self._own_desk:
            processes.append(desk.part(embedded.desk_port, state / "desk.db", logs / "desk.log"))
        if not self.worker:
            return Parts(addresses, tuple(processes), None)
        environment = self.worker_environment(addresses)

        def new_worker() -> Process:
            return _worker_part(environment, logs / "worker.log")

        return Parts(addresses, (*processes, new_worker()), new_worker)

    def worker_environment(self, addresses: Addresses) -> dict[str, str]:
        """Return the environment that gives a worker these settings and addresses, beside our own environment."""
        environment = passed_on(self.settings)
        if addresses.models:
            environment["PERDURE_MODEL__ENDPOINTS"] = json.dumps(addresses.models)
        if addresses.desk is not None:
            services = {**self.settings.tools.services, DESK: addresses.desk}
            environment["PERDURE_TOOLS__SERVICES"] = json.dumps(services)
        if addresses.ui is not None:  # our own server; an external one is already in the environment
            environment["TEMPORAL_ADDRESS"] = addresses.temporal
        return environment

    def _require(self, external: str | None, served: Iterable[str]) -> None:
        """Raise `DeployError` unless ports are free, external servers answer, and weights are there."""
        embedded = self.settings.embedded
        if external is not None:
            temporal.require(external)
        else:
            require_free(embedded.temporal_port, "PERDURE_EMBEDDED__TEMPORAL_PORT")
            require_free(embedded.ui_port, "PERDURE_EMBEDDED__UI_PORT")
        for name in served:
            require_free(*self._port(name))
        if weaviate.is_embedded(self.settings):
            require_free(embedded.weaviate_port, "PERDURE_EMBEDDED__WEAVIATE_PORT")
            require_free(embedded.weaviate_grpc_port, "PERDURE_EMBEDDED__WEAVIATE_GRPC_PORT")
        if self._own_desk:
            require_free(embedded.desk_port, "PERDURE_EMBEDDED__DESK_PORT")
        if self.worker:
            external_models.require(self.settings, self.tiers)
            for name in weights.EMBEDDING:
                weights.fetch(name, self.settings)

    @property
    def _own_desk(self) -> bool:
        """Whether the stack has a desk of its own: it has a worker, and the settings name no other desk."""
        return self.worker and DESK not in self.settings.tools.services

    def _served(self) -> dict[str, Served]:
        """Return the deployments to serve, by name."""
        embedded = weights.read_catalogue(self.settings).embedded(self.tiers)
        return {name: served for name, served in embedded.items() if name not in self.settings.model.endpoints}

    def _port(self, deployment: str) -> tuple[int, str]:
        """Return the port of a deployment, and the setting that changes it."""
        embedded = self.settings.embedded
        match deployment:
            case "fast":
                return embedded.model_port, "PERDURE_EMBEDDED__MODEL_PORT"
            case "strong":
                return embedded.strong_port, "PERDURE_EMBEDDED__STRONG_PORT"
            case other:
                raise DeployError(
                    f"the embedded stack serves the deployments fast and strong, and {other!r} has weights too: rename "
                    f"it, or serve it yourself and set PERDURE_MODEL__ENDPOINTS"
                )

    def _serving(self, name: str, served: Served) -> Serving:
        return Serving(
            weights=weights.fetch(served.weights or "", self.settings),
            name=served.model,
            port=self._port(name)[0],
            threads=self.settings.embedded.model_threads,
            context=served.context_window,
            parallel=served.concurrency,
        )


def _worker_part(environment: dict[str, str], log: Path) -> Process:
    part = Process(
        WORKER,
        [sys.executable, str(ROOT / "worker.py"), "--role", "all"],
        log=log,
        ready=lambda: any(line.startswith("ready") for line in part.printed()),
        environment=environment,
    )
    return part


def _model_part(name: str, serving: Serving, logs: Path) -> Process:
    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{serving.port}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    log = logs / ("model.log" if name == "fast" else f"model-{name}.log")
    title = "the model server" if name == "fast" else f"the model server of {name!r}"
    return Process(title, model_server.command(serving), log=log, ready=ready, environment={})


def passed_on(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a subprocess these settings: those that this environment does not set."""
    here = tree.load().model_dump()
    return {
        f"PERDURE_{group}__{name}".upper(): _written(value)
        for group, values in settings.model_dump().items()
        for name, value in values.items()
        if value is not None and value != here[group][name]
    }


def _written(value: object) -> str:
    """Return a setting as text for the environment. A secret is plain text there: only the worker gets it."""
    match value:
        case str() | Path():
            return str(value)
        case SecretStr():
            return value.get_secret_value()
        case _:
            return json.dumps(value, default=_written)
