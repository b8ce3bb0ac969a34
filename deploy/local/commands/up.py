"""`up`: the embedded stack in the foreground, until Ctrl-C, SIGTERM, or the end of one of its parts."""

import signal
from collections.abc import Sequence
from types import FrameType

from activities.settings import Settings
from deploy.local.stack.stack import Stack
from deploy.local.weights import weights
from deploy.processes.state_file import Addresses

STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    settings: Settings, *, model: bool = True, worker: bool = True, tiers: Sequence[str] = weights.DEFAULT_TIERS
) -> None:
    """Start everything, say where it answers, and wait. Raises `DeployError`; returns when it was told to stop."""
    for number in STOPPERS:
        signal.signal(number, _stop_once)
    stack = Stack(settings, model=model, worker=worker, tiers=tiers)
    try:
        with stack as addresses:
            print(describe(addresses), flush=True)
            stack.watch()
    except KeyboardInterrupt:
        return


def describe(addresses: Addresses) -> str:
    """The addresses, one a line."""
    lines = [f"Temporal   {addresses.temporal}"]
    if addresses.ui:
        lines.append(f"UI         {addresses.ui}")
    lines.extend(f"Model      {endpoint} ({name})" for name, endpoint in addresses.models.items())
    if addresses.store:
        lines.append(f"Weaviate   {addresses.store}")
    if addresses.desk:
        lines.append(f"Desk       {addresses.desk}/received")
    return "\n".join([*lines, "Ctrl-C stops it"])


def _stop_once(number: int, frame: FrameType | None) -> None:
    del number, frame
    for each in STOPPERS:  # a second Ctrl-C must not interrupt the stopping
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
