"""Runs the embedded stack in the foreground until Ctrl-C, SIGTERM, or a part that dies again and again."""

import shlex
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType

from activities.settings import Embedded, Settings
from deploy.local.commands.sample import ensure_sample
from deploy.local.stack.stack import Stack
from deploy.local.weights import weights
from deploy.processes.ports import HOST
from deploy.processes.state_file import Addresses

STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

QUESTION = "How many weeks of parental leave are paid in full?"
"""The question that is suggested: the sample handbook answers it, in two editions."""

TASK = "1. Find out how many weeks of parental leave are paid in full. 2. Open a ticket titled 'Leave' that says it."
"""The task that is suggested: its write waits for a person."""

FIRST_RUN = "my-first-task"


def up(
    settings: Settings, *, model: bool = True, worker: bool = True, tiers: Sequence[str] = weights.DEFAULT_TIERS
) -> None:
    """Start the stack, index the sample, print addresses and first commands, and wait. Return after a signal to stop.

    Raises `DeployError`.
    """
    stack = Stack(settings, model=model, worker=worker, tiers=tiers)
    try:
        with _stopped_once(), stack as addresses:
            sample = worker and ensure_sample(settings)
            print(describe(addresses), flush=True)
            if sample:
                print(first_commands(addresses), flush=True)
            print("Ctrl-C stops it", flush=True)
            stack.wait()
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
    return "\n".join(lines)


def first_commands(addresses: Addresses) -> str:
    """Return the three commands to type next, in another terminal."""
    usual = f"{HOST}:{Embedded.model_fields['temporal_port'].default}"
    # An external server's address is in the environment, which the other terminal may not have.
    where = "" if addresses.temporal == usual else f"TEMPORAL_ADDRESS={addresses.temporal} "
    perdure = f"  {where}.venv/bin/perdure"
    return f"""
Next, in another terminal:
{perdure} ask {_quoted(QUESTION)}
{perdure} run operations {_quoted(TASK)} --id {FIRST_RUN}
{perdure} approve {FIRST_RUN} --by ada
The second command stops before it writes, and says so: then Ctrl-C, or a third terminal, and the third command.
Whoever starts a run does not decide about it: hence another name. `perdure inbox` lists everything that waits.
"""


def _quoted(words: str) -> str:
    return f'"{words}"' if not set(words) & set('"$`\\!') else shlex.quote(words)


@contextmanager
def _stopped_once() -> Generator[None]:
    """Raise `KeyboardInterrupt` at the first signal to stop, and ignore the others until the end."""
    before = {number: signal.signal(number, _stop_once) for number in STOPPERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_once(number: int, frame: FrameType | None) -> None:
    del number, frame
    for other in STOPPERS:  # a second Ctrl-C must not interrupt the stopping
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt
