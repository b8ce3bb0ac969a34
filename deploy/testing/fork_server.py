"""Imports the platform once and forks a worker for each line of its input, so that no test waits for imports.

`--tools FOLDER` adds the tools of one more folder, for tests with tools that the checkout does not have. A line of
input names a log file; the answer is the pid of the new process. The worker stands by until SIGUSR1, and then runs as
`worker.py --role all`, in a process of its own that can be killed. All workers end with the starter of this process.
"""

import argparse
import ast
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import tools
from activities.adapters.documents import files as documents
from activities.adapters.foreign_work.fork_server import preload
from activities.adapters.foreign_work.processes import fork_servers_here
from activities.adapters.guards import guard_work
from activities.settings import ROOT, quiet_libraries

OTHER_SERVERS = ("postgres_", "redis_", "weaviate_")
"""The prefixes of adapters' modules that a test stack does not use: it stores everything in files."""

AFTER = ("activities.adapters.stores.lancedb_store",)
"""The modules that start threads when they are imported, so after the fork: threads do not survive it."""

STANDING_BY = "standing by"
"""The line in a worker's log once it only waits for its signal."""


def modules_before() -> list[str]:
    """Return the modules to import before the fork: all of ours that `worker.py` imports, at once or in a function.

    They are read from the source files. Importing them takes fifteen seconds of processor time, spent once.
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


def main() -> None:
    """Import, then fork for each line until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m deploy.testing.fork_server")
    parser.add_argument("--tools", type=Path, help="a folder of further tools")
    further = parser.parse_args().tools
    if further is not None:
        tools.__path__.append(str(further))
    quiet_libraries()
    for name in modules_before():
        importlib.import_module(name)
    reports = {entries: preload(entries) for entries in (documents.PRELOAD, guard_work.PRELOAD)}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps killed workers
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    lifeline, our_end = os.pipe()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(our_end)
            be_worker(line.strip(), lifeline, reports)
        print(pid, flush=True)


def be_worker(log: str, lifeline: int, reports: dict[tuple[str, ...], list[dict[str, Any]]]) -> None:
    """Stand by, then serve. Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((null, 0), (out, 1), (out, 2)):
        os.dup2(ours, theirs)
    fork_servers_here(reports)
    threading.Thread(target=_end_with_the_starter, args=(lifeline,), daemon=True).start()
    for name in AFTER:
        importlib.import_module(name)
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
    main()
