"""The embedded stack's supervisor: Temporal, a model server and a worker, started in order and stopped in reverse."""

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import httpx

from activities import settings as tree
from activities.settings import ROOT, Settings
from deploy.local import model_server, record, temporal, weights
from deploy.local.errors import DeployError
from deploy.local.model_server import Serving
from deploy.local.parts import Part
from deploy.local.ports import HOST, require_free
from deploy.local.progress import CONSOLE
from deploy.local.record import Addresses, Process, Record

DEPLOYMENT = "fast"
"""The catalogue's deployment that the embedded model server serves."""

__all__ = ["Addresses", "Stack", "running"]


def running(settings: Settings | None = None) -> Addresses | None:
    """Where the stack of this state folder answers; None if none is up, or one is still starting."""
    settings = settings or tree.load()
    found = Record.read(settings.paths.state)
    return found.addresses if found is not None and found.supervisor.running() is not None else None


class Stack:
    """The embedded stack as a context manager: `with Stack(settings) as addresses:`.

    Raises `DeployError` where it cannot start; what was started is stopped then. The state folder survives. Use it from
    the main thread where possible: then the kernel ends its parts if this process is killed.
    """

    def __init__(self, settings: Settings, *, model: bool = True, worker: bool = True) -> None:
        """Without `model` or `worker` that part is left out."""
        self._settings = settings
        self._model = model
        self._worker = worker
        self._state = settings.paths.state.resolve()
        self._record: Record | None = None
        self._parts: list[Part] = []

    def __enter__(self) -> Addresses:
        """Start every part and wait until it is ready."""
        self._record = record.claim(self._state)
        try:
            return self._start()
        except BaseException:  # also Ctrl-C: nothing may stay behind
            self._stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every part, last one first, and wait until it is gone."""
        self._stop()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The processes that were started, in order."""
        return tuple(self._parts)

    def check(self) -> None:
        """Raise `PartDied` if a part ended by itself."""
        for part in self._parts:
            part.check()

    def watch(self) -> NoReturn:
        """Wait until a part ends by itself, and raise `PartDied`."""
        while True:
            self.check()
            time.sleep(0.2)

    def _start(self) -> Addresses:
        embedded = self._settings.embedded
        given = temporal.given()
        own_model = self._model and DEPLOYMENT not in self._settings.model.endpoints
        # All that can be refused is refused before anything starts.
        if given is not None:
            temporal.require(given)
        else:
            require_free(embedded.temporal_port, "PERDURE_EMBEDDED__TEMPORAL_PORT")
            require_free(embedded.ui_port, "PERDURE_EMBEDDED__UI_PORT")
        if own_model:
            require_free(embedded.model_port, "PERDURE_EMBEDDED__MODEL_PORT")
        if self._worker:
            for name in weights.EMBEDDING:
                weights.fetch(name, self._settings)
        serving = self._serving() if own_model else None

        addresses = Addresses(
            temporal=given or f"{HOST}:{embedded.temporal_port}",
            ui=None if given else f"http://{HOST}:{embedded.ui_port}",
            model=f"http://{HOST}:{embedded.model_port}/v1"
            if own_model
            else self._settings.model.endpoints.get(DEPLOYMENT),
        )
        logs = self._state / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        if given is None:
            self._begin(temporal.part(embedded.temporal_port, embedded.ui_port, self._state, logs))
        if serving is not None:
            self._begin(_model_part(serving, logs))
        if self._worker:
            self._begin(self._worker_part(addresses, logs))
        self._keep(self._required.model_copy(update={"addresses": addresses}))
        return addresses

    def _begin(self, part: Part) -> None:
        self._parts.append(part)
        began = time.monotonic()
        with CONSOLE.status(f"{part.name} is starting"):
            part.begin(lambda pid: self._remember(Process.named(part.name, pid)))
        CONSOLE.print(f"{part.name} is ready ({time.monotonic() - began:.1f} s)", highlight=False)

    def _stop(self) -> None:
        while self._parts:
            part = self._parts[-1]
            ran = part.running()
            try:
                with CONSOLE.status(f"{part.name} is stopping"):
                    part.end()
            except KeyboardInterrupt:
                part.end()  # it was asked to stop already; leaving now would leave it behind
            self._parts.pop()
            if ran:
                CONSOLE.print(f"{part.name} has stopped", highlight=False)
        if self._record is not None:
            record.release(self._state)
            self._record = None

    def _serving(self) -> Serving:
        catalogue = weights.read_catalogue(self._settings)
        served = catalogue.deployments.get(DEPLOYMENT)
        if served is None or served.weights is None:
            raise DeployError(
                f"the model catalogue has no deployment {DEPLOYMENT!r} with weights to serve: add it, "
                "or set PERDURE_MODEL__ENDPOINTS to a server that you run"
            )
        return Serving(
            weights=weights.fetch(served.weights, self._settings),
            name=served.model,
            port=self._settings.embedded.model_port,
            threads=self._settings.embedded.model_threads,
            context=served.context_window,
            parallel=self._settings.work.generations,
        )

    def _worker_part(self, addresses: Addresses, logs: Path) -> Part:
        environment = _passed_on(self._settings)
        if addresses.model is not None:
            endpoints = {**self._settings.model.endpoints, DEPLOYMENT: addresses.model}
            environment["PERDURE_MODEL__ENDPOINTS"] = json.dumps(endpoints)
        if addresses.ui is not None:  # our own server; a given one is already in the environment
            environment["TEMPORAL_ADDRESS"] = addresses.temporal
        log = logs / "worker.log"
        return Part(
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

    def _remember(self, process: Process) -> None:
        self._keep(self._required.model_copy(update={"parts": (*self._required.parts, process)}))

    def _keep(self, new: Record) -> None:
        self._record = new
        new.write(self._state)


def _model_part(serving: Serving, logs: Path) -> Part:
    def ready() -> bool:
        try:
            return httpx.get(f"http://{HOST}:{serving.port}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return Part("the model server", model_server.command(serving), log=logs / "model.log", ready=ready, environment={})


def _passed_on(settings: Settings) -> dict[str, str]:
    """The settings that differ from what a subprocess would read from this environment, as its environment."""
    here = tree.load().model_dump(mode="json")
    return {
        f"PERDURE_{group}__{name}".upper(): value if isinstance(value, str) else json.dumps(value)
        for group, values in settings.model_dump(mode="json").items()
        for name, value in values.items()
        if value is not None and value != here[group][name]
    }
