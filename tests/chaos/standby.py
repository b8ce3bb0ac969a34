"""A worker that has imported everything and waits for a line before it connects; it ends with whoever started it."""

import importlib
import os
import sys
import threading

from activities.settings import quiet_libraries

SLOW = (
    "worker",
    "activities.routing",
    "activities.retrieval",
    "activities.screening",
    "activities.checking",
    "activities.generation",
    "activities.conduct",
    "activities.adapters.catalogue",
    "activities.adapters.guardrails_guards",
    "activities.adapters.lancedb_store",
    "activities.adapters.litellm_model",
    "activities.adapters.minilm",
    "activities.adapters.payload_storage",
    "activities.adapters.sql_paid_replies",
    "activities.adapters.telemetry",
)
"""What a worker loads when its roles are made: seconds of processor time, which a trial does not wait for."""

STANDING_BY = "standing by"
"""The line that says that everything is imported."""


def main() -> None:
    """Import, wait, then be `worker.py --role all`."""
    quiet_libraries()
    for name in SLOW:
        importlib.import_module(name)
    print(STANDING_BY, flush=True)  # noqa: T201 - the starter waits for it
    if not sys.stdin.readline():
        return
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    import worker

    worker.main(["--role", "all"])


def _end_with_the_starter() -> None:
    """A test process that is killed leaves no worker behind: its end of the pipe closes."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
