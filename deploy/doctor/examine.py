"""Makes all checks at the same time, each on a thread of its own and with a deadline: none waits for another."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence

from deploy.doctor.finding import Check, Context, Finding, State, skipped, wrong
from perdure.contracts.temporal.connection import let_connection_rest

Progress = Callable[[Sequence[str], int], None]
"""A function that is told the names that are still looked at, and how many there are in all."""


def examine(checks: Sequence[Check], context: Context, progress: Progress | None = None) -> tuple[Finding, ...]:
    """Return the findings of all checks, in the order of their names.

    What is not found by the deadline of its check is wrong, or skipped where it depends on what is wrong. The thread of
    a check that hangs is left behind; it ends with the process.
    """
    found: dict[str, Finding] = {}
    done: queue.SimpleQueue[Finding | Check] = queue.SimpleQueue()
    began, running = time.monotonic(), dict.fromkeys(checks, True)
    deadlines = {check: began + context.within.total_seconds() * check.slow for check in checks}
    for check in checks:
        threading.Thread(target=_run, args=(check, context, done), daemon=True, name=check.names[0]).start()
    every = [name for check in checks for name in check.names]
    while waiting := [check for check in checks if running[check]]:
        if progress is not None:
            progress([name for name in every if name not in found], len(every))
        left = min(deadlines[check] for check in waiting) - time.monotonic()
        try:
            reported = done.get(timeout=max(0.01, min(left, 0.5)))
        except queue.Empty:
            for check in waiting:
                if time.monotonic() >= deadlines[check]:
                    running[check] = False
            continue
        if isinstance(reported, Check):
            running[reported] = False
        else:
            found.setdefault(reported.name, reported)
    for check in checks:
        for finding in _unfound(check, context, found):
            found[finding.name] = finding
    return tuple(found[name] for name in every)


def _run(check: Check, context: Context, done: "queue.SimpleQueue[Finding | Check]") -> None:
    async def main() -> None:
        try:
            await check.look(context, done.put)
        finally:
            await let_connection_rest()

    try:
        asyncio.run(main())
    except TimeoutError:
        pass  # what it has not found gets a finding that says so
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide what the others find
        text = " ".join(str(error).split()) or type(error).__name__
        done.put(wrong(check.names[0], f"could not be checked ({type(error).__name__}): {text[:300]}", "report it"))
    done.put(check)


def _unfound(check: Check, context: Context, found: dict[str, Finding]) -> list[Finding]:
    """Return a finding for each name that the check has not reported."""
    missing = [name for name in check.names if name not in found]
    if not missing:
        return []
    first, seconds = check.names[0], context.within.total_seconds() * check.slow
    if first in missing:
        late = wrong(first, f"gave no answer within {seconds:g} s", "it accepts connections and hangs: look at its log")
        return [late, *(skipped(name, f"needs {first}") for name in missing if name != first)]
    if found[first].state in (State.WRONG, State.SKIPPED):
        return [skipped(name, f"needs {first}") for name in missing]
    return [wrong(name, f"gave no answer within {seconds:g} s", f"look at the log of {first}") for name in missing]
