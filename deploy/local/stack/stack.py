"""Supervises the embedded stack: starts Temporal, model servers and a worker in order, and stops them in reverse."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import httpx
from pydantic import SecretStr

from activities import settings as tree
from activities.settings import ROOT, Settings
from deploy.local.stack import desk, external_models, model_server, temporal
from deploy.local.stack.model_server import Serving
from deploy.local.weights import weights
from deploy.local.weights.weights import Served
from deploy.processes import state_file
from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, require_free
from deploy.processes.process import Process
from deploy.processes.progress import CONSOLE
from deploy.processes.state_file import Addresses, ProcessRecord, Record
from deploy.weaviate import server as weaviate

DESK = "desk"
"""The name by which tools call the service for tickets and messages."""

__all__ = ["Addresses", "Stack", "passed_on", "running"]


def running(settings: Settings | None = None) -> Addresses | None:
    """Return the addresses of the stack of this state folder; None if none runs, or it is still starting."""
    settings = tree.load() if settings is None else settings
    record = Record.read(settings.paths.state)
    return record.addresses if record is not None and record.supervisor.running() is not None else None


class Stack:
    """The embedded stack as a context manager: `with Stack(settings) as addresses:`.

    Raises `DeployError` where it cannot start, after stopping the parts that started. The state folder survives. Use it
    from the main thread where possible: then the kernel ends the parts if this process is killed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        model: bool = True,
        worker: bool = True,
        tiers: Sequence[str] = weights.DEFAULT_TIERS,
    ) -> None:
        """Prepare a stack; `model` and `worker` say whether it has them. `tiers` are the tiers that it serves.

        A deployment with an endpoint in the settings is never served here. Weaviate is started where the settings come
        from `deploy.weaviate.server.embedded`.
        """
        self._settings = settings
        self._tiers = tiers
        self._model = model
        self._worker = worker
        self._state = settings.paths.state.resolve()
        self._record: Record | None = None
        self._parts: list[Process] = []

    def __enter__(self) -> Addresses:
        """Start every part and wait until it is ready."""
        self._record = state_file.claim(self._state)
        try:
            return self._start()
        except BaseException:  # also Ctrl-C: nothing may stay behind
            self._stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every part, the last one first, and wait until it is gone."""
        self._stop()

    @property
    def parts(self) -> tuple[Process, ...]:
        """The processes of the stack, in the order of their start."""
        return tuple(self._parts)

    def check(self) -> None:
        """Raise `ProcessDied` if a part ended by itself."""
        for part in self._parts:
            part.check()

    def watch(self) -> NoReturn:
        """Wait until a part ends by itself, and raise `ProcessDied`."""
        while True:
            self.check()
            time.sleep(0.2)

    def _start(self) -> Addresses:
        embedded = self._settings.embedded
        external = temporal.external_address()
        served = self._served() if self._model else {}
        # Every check that can fail comes before anything starts.
        self._require(external, served)
        servers = {name: self._serving(name, deployment) for name, deployment in served.items()}
        store = self._store()

        addresses = Addresses(
            temporal=external or f"{HOST}:{embedded.temporal_port}",
            ui=None if external else f"http://{HOST}:{embedded.ui_port}",
            models={
                **self._settings.model.endpoints,
                **{name: f"http://{HOST}:{serving.port}/v1" for name, serving in servers.items()},
            },
            store=self._settings.store.weaviate,
            desk=f"http://{HOST}:{embedded.desk_port}" if self._own_desk else None,
        )
        logs = self._state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        if external is None:
            ports = embedded.temporal_port, embedded.ui_port
            self._begin(temporal.part(*ports, self._state, logs, continue_after=embedded.continue_after))
        if store is not None:
            self._begin(weaviate.part(store, logs / "weaviate.log"))
        for name, serving in servers.items():
            self._begin(_model_part(name, serving, logs))
        if self._own_desk:
            self._begin(desk.part(embedded.desk_port, self._state / "desk.db", logs / "desk.log"))
        if self._worker:
            self._begin(self._worker_part(addresses, logs))
            _print_versions(logs / "worker.log")
        self._keep(self._required.model_copy(update={"addresses": addresses}))
        return addresses

    def _require(self, external: str | None, served: Iterable[str]) -> None:
        """Raise `DeployError` unless ports are free, external servers answer, and weights are there."""
        embedded = self._settings.embedded
        if external is not None:
            temporal.require(external)
        else:
            require_free(embedded.temporal_port, "PERDURE_EMBEDDED__TEMPORAL_PORT")
            require_free(embedded.ui_port, "PERDURE_EMBEDDED__UI_PORT")
        for name in served:
            require_free(*self._port(name))
        if weaviate.is_embedded(self._settings):
            require_free(embedded.weaviate_port, "PERDURE_EMBEDDED__WEAVIATE_PORT")
            require_free(embedded.weaviate_grpc_port, "PERDURE_EMBEDDED__WEAVIATE_GRPC_PORT")
        if self._own_desk:
            require_free(embedded.desk_port, "PERDURE_EMBEDDED__DESK_PORT")
        if self._worker:
            external_models.require(self._settings, self._tiers)
            for name in weights.EMBEDDING:
                weights.fetch(name, self._settings)

    def _begin(self, part: Process) -> None:
        self._parts.append(part)
        began = time.monotonic()
        with CONSOLE.status(f"{part.name} is starting"):
            part.begin(lambda pid: self._remember(ProcessRecord.named(part.name, pid)))
        CONSOLE.print(f"{part.name} is ready ({time.monotonic() - began:.1f} s)", highlight=False)

    def _stop(self) -> None:
        while self._parts:
            part = self._parts[-1]
            ran = part.running()
            try:
                with CONSOLE.status(f"{part.name} is stopping"):
                    part.end()
            except KeyboardInterrupt:
                part.end()  # it is stopping already; leaving now would leave its process behind
            self._parts.pop()
            if ran:
                CONSOLE.print(f"{part.name} has stopped", highlight=False)
        if self._record is not None:
            state_file.release(self._state)
            self._record = None

    @property
    def _own_desk(self) -> bool:
        """Whether the stack has a desk of its own: it has a worker, and the settings name no other desk."""
        return self._worker and DESK not in self._settings.tools.services

    def _served(self) -> dict[str, Served]:
        """Return the deployments to serve, by name."""
        embedded = weights.read_catalogue(self._settings).embedded(self._tiers)
        return {name: served for name, served in embedded.items() if name not in self._settings.model.endpoints}

    def _port(self, deployment: str) -> tuple[int, str]:
        """Return the port of a deployment, and the setting that changes it."""
        embedded = self._settings.embedded
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
            weights=weights.fetch(served.weights or "", self._settings),
            name=served.model,
            port=self._port(name)[0],
            threads=self._settings.embedded.model_threads,
            context=served.context_window,
            parallel=served.concurrency,
        )

    def _store(self) -> weaviate.Serving | None:
        """Return how to serve the stack's own Weaviate; None where it has none."""
        return weaviate.serving(self._settings) if weaviate.is_embedded(self._settings) else None

    def _worker_part(self, addresses: Addresses, logs: Path) -> Process:
        environment = passed_on(self._settings)
        if addresses.models:
            environment["PERDURE_MODEL__ENDPOINTS"] = json.dumps(addresses.models)
        if addresses.desk is not None:
            services = {**self._settings.tools.services, DESK: addresses.desk}
            environment["PERDURE_TOOLS__SERVICES"] = json.dumps(services)
        if addresses.ui is not None:  # our own server; an external one is already in the environment
            environment["TEMPORAL_ADDRESS"] = addresses.temporal
        log = logs / "worker.log"
        return Process(
            "the worker",
            [sys.executable, str(ROOT / "worker.py"), "--role", "all"],
            log=log,
            ready=lambda: any(line.startswith("ready") for line in log.read_text(errors="replace").splitlines()),
            environment=environment,
        )

    @property
    def _required(self) -> Record:
        if self._record is None:
            raise RuntimeError("the stack has not been claimed")
        return self._record

    def _remember(self, process: ProcessRecord) -> None:
        self._keep(self._required.model_copy(update={"parts": (*self._required.parts, process)}))

    def _keep(self, new: Record) -> None:
        self._record = new
        new.write(self._state)


def _model_part(name: str, serving: Serving, logs: Path) -> Process:
    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{serving.port}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    log = logs / ("model.log" if name == "fast" else f"model-{name}.log")
    title = "the model server" if name == "fast" else f"the model server of {name!r}"
    return Process(title, model_server.command(serving), log=log, ready=ready, environment={})


def _print_versions(log: Path) -> None:
    """Print the notices in a worker's log about its version: its runs may wait for an operator."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("version: "):
            CONSOLE.print(line, highlight=False, soft_wrap=True, markup=False)


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
