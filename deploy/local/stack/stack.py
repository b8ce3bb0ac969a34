"""Runs the embedded stack: starts its parts in order, tends them in a thread of its own, and stops them in reverse."""

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

from activities import settings as tree
from activities.settings import Settings
from deploy.local.stack.parts import Choice, Parts, passed_on
from deploy.local.stack.reloads import Reloads
from deploy.local.stack.sources import Sources
from deploy.local.stack.supervisor import EVERY, Supervisor, say
from deploy.local.weights import weights
from deploy.processes import state_file
from deploy.processes.process import LastingThread, Process
from deploy.processes.progress import CONSOLE
from deploy.processes.state_file import Addresses, ProcessRecord, Record

__all__ = ["Addresses", "Stack", "passed_on", "running"]


def running(settings: Settings | None = None) -> Addresses | None:
    """Return the addresses of the stack of this state folder; None if none runs, or it is still starting."""
    settings = tree.load() if settings is None else settings
    record = Record.read(settings.paths.state)
    return record.addresses if record is not None and record.supervisor.running() is not None else None


class Stopping(Exception):
    """The stack is being stopped while it starts."""


class Stack:
    """The embedded stack as a context manager: `with Stack(settings) as addresses:`.

    Raises `DeployError` where it cannot start, after stopping the parts that started. The state folder survives. A part
    that dies is started again; one that dies too often stops the stack: then the main thread is interrupted, and the
    context ends with `ProcessDied`.
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
        self._choice = Choice(settings, tiers, model=model, worker=worker)
        self._state = settings.paths.state.resolve()
        self._record: Record | None = None
        self._supervisor = Supervisor(self._remember)
        self._ready: Future[Addresses] = Future()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Addresses:
        """Start every part and wait until it is ready."""
        self._record = state_file.claim(self._state)
        try:
            parts = self._choice.parts()
            reloads = None
            if parts.new_worker is not None:
                environment = self._choice.worker_environment(parts.addresses)
                reloads = Reloads(Sources.of(self._settings), environment)
                reloads.require_usable()
            self._thread = LastingThread(target=self._run, args=(parts, reloads), name="stack", daemon=True)
            self._thread.start()
            return self._ready.result()
        except BaseException:  # also Ctrl-C: nothing may stay behind
            self._end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every part, the last one first, and wait until it is gone.

        Raises `ProcessDied` if one died too often.
        """
        self._end()
        if self._failure is not None and (kind is None or kind is KeyboardInterrupt):
            raise self._failure from None

    @property
    def parts(self) -> tuple[Process, ...]:
        """The processes of the stack, in the order of their start."""
        return self._supervisor.parts

    def wait(self) -> NoReturn:
        """Wait until the stack is interrupted."""
        while True:
            time.sleep(3600)

    def _run(self, parts: Parts, reloads: Reloads | None) -> None:
        """Start the parts, tend them until the stack is stopped, and stop them.

        Every process belongs to this thread: the kernel ends them with it.
        """
        try:
            self._start(parts, reloads)
            while not self._stop.wait(EVERY):
                self._supervisor.look()
        except Stopping:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that entered the stack
            self._failure = error
        finally:
            self._supervisor.stop()
        if not self._ready.done():
            self._ready.set_exception(self._failure or Stopping())
        elif self._failure is not None and not self._stop.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _start(self, parts: Parts, reloads: Reloads | None) -> None:
        """Start every part, one after the other, and wait until it is ready."""
        for part in parts.processes:
            began = time.monotonic()
            with CONSOLE.status(f"{part.name} is starting"):
                self._supervisor.add(part)
                part.launch(self._supervisor.started(part))
                while not part.is_ready():
                    if self._stop.wait(EVERY):
                        raise Stopping
            say(f"{part.name} is ready ({time.monotonic() - began:.1f} s)")
        for part in parts.processes:
            self._supervisor.tend(part)
        if reloads is not None and parts.new_worker is not None:
            worker = parts.processes[-1]
            _print_versions(worker)
            self._supervisor.follow(reloads.follow(worker, parts.new_worker, self._supervisor))
            self._supervisor.hold(lambda part: part.name == worker.name and reloads.broken())
        self._keep(self._required.model_copy(update={"addresses": parts.addresses}))
        self._ready.set_result(parts.addresses)

    def _end(self) -> None:
        """Stop every part, and wait for it, whatever interrupts the waiting: what is left would stay behind."""
        self._stop.set()
        while self._thread is not None and self._thread.is_alive():
            with suppress(KeyboardInterrupt):
                self._thread.join()
        if self._record is not None:
            state_file.release(self._state)
            self._record = None

    @property
    def _required(self) -> Record:
        if self._record is None:
            raise RuntimeError("the stack has not been claimed")
        return self._record

    def _remember(self, part: Process, pid: int) -> None:
        """Keep the process of a part on disk, in the place of those that ended."""
        others = tuple(known for known in self._required.parts if known.running() is not None)
        self._keep(self._required.model_copy(update={"parts": (*others, ProcessRecord.named(part.name, pid))}))

    def _keep(self, new: Record) -> None:
        self._record = new
        new.write(self._state)


def _print_versions(worker: Process) -> None:
    """Print a worker's notices about its version and its search attributes: an operator has to act on them."""
    for line in worker.printed():
        if line.startswith(("version: ", "search attributes: ")):
            say(line)
