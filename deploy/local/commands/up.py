"""Runs the embedded stack in the foreground until Ctrl-C, SIGTERM, or the end of one of its processes."""

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
    """Start the stack, print its addresses, and wait. Return after a signal to stop. Raises `DeployError`."""
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
    """Return the addresses, one a line."""
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
    for other in STOPPERS:  # a second Ctrl-C must not interrupt the stopping
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt
