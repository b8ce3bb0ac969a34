"""Imports the platform once and forks a worker for each line of its input: a trial does not wait for imports.

`--tools FOLDER` grants tools of one more folder, so that a test has some that the checkout does not hold. A line of
input names a log file; the answer is the new process's number. The worker stands by until it gets SIGUSR1 and is then
`worker.py --role all`, in a process of its own that can be killed. All of them end with whoever started this one.
"""

import argparse
import importlib
import os
import signal
import sys
import threading
from pathlib import Path

import tools
from activities.settings import quiet_libraries

BEFORE = (
    "worker",
    "activities.effects.acting",
    "activities.composition",
    "activities.effects.pinning",
    "activities.effects.routing",
    "activities.effects.settling",
    "activities.effects.thinking",
    "activities.effects.retrieval",
    "activities.effects.guarding",
    "activities.effects.guarding",
    "activities.effects.generation",
    "activities.interceptors.every_effect",
    "activities.adapters.model_servers.catalogue",
    "activities.adapters.guards.guardrails_guards",
    "activities.adapters.guards.injection.classifier",
    "activities.adapters.models.litellm_model",
    "activities.adapters.stores.minilm",
    "activities.adapters.temporal.payload_keys",
    "activities.adapters.temporal.payload_storage",
    "activities.adapters.guards.personal_data",
    "activities.adapters.guards.profanity",
    "activities.adapters.web.named_services",
    "activities.adapters.web.public_web",
    "activities.adapters.sql.effect_ledger",
    "activities.adapters.sql.paid_replies",
    "activities.adapters.web.tool_http",
    "activities.adapters.stores.tool_knowledge",
    "activities.adapters.telemetry",
)
"""What a worker loads when its roles are made: fifteen seconds of processor time, spent once."""

AFTER = ("activities.adapters.stores.lancedb_store",)
"""What starts threads when it is imported: threads do not survive a fork."""

STANDING_BY = "standing by"
"""The line in its log with which a worker says that it only waits for its signal."""


def main() -> None:
    """Import, then fork for each line until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m deploy.testing.fork_server")
    parser.add_argument("--tools", type=Path, help="a folder of further tools")
    further = parser.parse_args().tools
    if further is not None:
        tools.__path__.append(str(further))
    quiet_libraries()
    for name in BEFORE:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel clears up what is killed
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    lifeline, held = os.pipe()
    for line in sys.stdin:
        born = os.fork()
        if born == 0:
            os.close(held)
            be_worker(line.strip(), lifeline)
        print(born, flush=True)


def be_worker(log: str, lifeline: int) -> None:
    """Stand by, then serve; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((null, 0), (out, 1), (out, 2)):
        os.dup2(ours, theirs)
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
    os.read(lifeline, 1)  # returns when nobody holds the other end any more
    os._exit(1)


if __name__ == "__main__":
    main()
