"""Imports the platform once and forks a worker for each request, so that no test waits for imports.

It listens at a socket; the first request makes it import. A request names the new worker's log, its environment and a
module to import first, and hands over one end of a pipe; the answer is the pid. The worker stands by until SIGUSR1,
and then runs as `worker.py --role all`, in a process of its own that can be killed. It ends once the other end of its
pipe is closed. The fork server ends with its input.

Where `TEST_FORK_SERVERS` names a folder, the fork server of this checkout in it is shared by every process of a test
run: importing takes ten seconds of processor time.
"""

import ast
import hashlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from activities.settings import ROOT, quiet_libraries
from activities.settings.environment import replace_environment

SHARED = "TEST_FORK_SERVERS"
"""The variable of the folder with the sockets of shared fork servers."""

OTHER_SERVERS = ("postgres_", "redis_", "weaviate_")
"""The prefixes of adapters' modules that a test stack does not use: it stores everything in files."""

AFTER = ("activities.adapters.stores.lancedb_store",)
"""The modules that start threads when they are imported, so after the fork: threads do not survive it."""

Reports: TypeAlias = dict[tuple[str, ...], list[dict[str, Any]]]
"""How the loading of each entry went, by the entries of a fork server of foreign work."""

STANDING_BY = "standing by"
"""The line in a worker's log once it only waits for its signal."""


def socket_in(folder: Path) -> Path:
    """Return the socket of this checkout's fork server in a folder: another checkout has other code."""
    return folder / f"{hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]}.socket"


def modules_before() -> list[str]:
    """Return the modules to import before the fork: all of ours that `worker.py` imports, at once or in a function.

    They are read from the source files.
    """
    names: set[str] = set()
    ahead = ["worker"]
    while ahead:
        name = ahead.pop()
        source = _source(name)
        if name in names or name in AFTER or source is None or name.rpartition(".")[2].startswith(OTHER_SERVERS):
            continue
        names.add(name)
        for node in ast.walk(ast.parse(source.read_bytes())):
            match node:
                case ast.Import(names=imported):
                    ahead += [alias.name for alias in imported]
                case ast.ImportFrom(module=str(module), names=imported):
                    ahead += [module, *(f"{module}.{alias.name}" for alias in imported)]
                case _:
                    pass
    return sorted(names)


def _source(module: str) -> Path | None:
    """Return the file of one of our own modules; None for any other module, and for a name within a module."""
    path = ROOT.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def main(address: str) -> None:
    """Listen, and fork for each request, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps killed workers
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("listening", flush=True)
        while sys.stdin not in (readable := select.select([listener, sys.stdin], [], [])[0]):
            assert readable  # noqa: S101 - `select` waits without a limit
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # whoever asked may be gone
                _answer(connection, listener)


def _answer(connection: socket.socket, listener: socket.socket) -> None:
    """Fork the worker of one request, and answer with its pid."""
    body, [lifeline], _, _ = socket.recv_fds(connection, 1 << 16, 1)
    while more := connection.recv(1 << 16):
        body += more
    reports = load()
    pid = os.fork()
    if pid == 0:
        listener.close()
        connection.close()
        be_worker(json.loads(body), lifeline, reports)
    os.close(lifeline)
    connection.sendall(str(pid).encode())


@cache
def load() -> Reports:
    """Import the platform and load the guards and the readers, once; return how the loading went."""
    quiet_libraries()
    for name in modules_before():
        importlib.import_module(name)
    from activities.adapters.documents import files
    from activities.adapters.foreign_work.fork_server import preload
    from activities.adapters.guards import guard_work

    return {entries: preload(entries) for entries in (files.PRELOAD, guard_work.PRELOAD)}


def be_worker(request: Mapping[str, Any], lifeline: int, reports: Reports) -> None:
    """Stand by, then serve, with the request's `environment`, `log` and `module`. Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    replace_environment(request["environment"])
    quiet_libraries()
    out = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((null, 0), (out, 1), (out, 2)):
        os.dup2(ours, theirs)
    processes = importlib.import_module("activities.adapters.foreign_work.processes")
    processes.fork_servers_here(reports)
    threading.Thread(target=_end_with_the_starter, args=(lifeline,), daemon=True).start()
    for name in AFTER:
        importlib.import_module(name)
    if request["module"] is not None:
        importlib.import_module(request["module"])
    print(STANDING_BY, flush=True)
    signal.sigwait({signal.SIGUSR1})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    worker = importlib.import_module("worker")
    worker.main(["--role", "all"])
    worker.leave()


def _end_with_the_starter(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns once the process that holds the other end is gone
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
