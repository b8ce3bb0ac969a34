"""The cost of running guards in killable processes: the same questions in the worker's threads and in processes."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from activities.adapters.guards import guard_work
from activities.adapters.guards.guardrails_catalogue import GUARDS
from activities.adapters.guards.guardrails_guards import GuardrailsGuards
from activities.ports import Subject
from perdure.contracts.guards import Ended, GuardSpec
from tests.bench import paired

ARGUMENTS: dict[str, dict[str, Any]] = {
    "valid_length": {"max": 4000},
    "secrets_present": {},
    "pii": {},
    "injection": {},
    "toxicity": {},
}


async def guard_processes(console: Console, pairs: int, advance: Callable[[], None]) -> None:
    """Measure questions through five guards in threads of this process and in processes, in turn, and print."""
    draw = random.Random(1)  # noqa: S311 - other questions, not a secret
    specs = [GuardSpec(guard=name, arguments=arguments) for name, arguments in ARGUMENTS.items()]
    guards = GuardrailsGuards()
    await asyncio.to_thread(guards.warm_up().join)
    sides: dict[str, list[float]] = {"in processes": [], "in threads": []}
    try:
        for pair in range(-5, pairs):  # the first ones load modules and compile patterns
            for side in sorted(sides, reverse=bool(pair % 2)):
                word = "".join(draw.choices("bdfgklmnprst", k=9))
                end = f"{word}?" if pair % 4 < 2 else f"{word} in {draw.randrange(2000, 2030)}?"
                subject = Subject(text=f"How many weeks of parental leave are paid in full, and may I ask {end}")
                started = time.perf_counter()
                if side == "in processes":
                    verdicts = await guards.run(specs, subject)
                    if any(verdict.ended is not Ended.COMPLETED for verdict in verdicts):
                        raise RuntimeError(f"a guard did not end well: {verdicts}")
                else:
                    await asyncio.gather(*(asyncio.to_thread(_check, spec, subject) for spec in specs))
                if pair >= 0:
                    sides[side].append((time.perf_counter() - started) * 1000)
            if pair >= 0:
                advance()
    finally:
        guards.close()
    differences = [inside - outside for inside, outside in zip(*sides.values(), strict=True)]
    low, high = paired.interval(differences)
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    table = Table(title=f"Five guards over a question: {pairs} pairs, {busy:.1f} threads wait for each processor")
    for heading in ("", "p50, ms", "p95, ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, values in sides.items():
        table.add_row(label, f"{statistics.median(values):.1f}", f"{paired.p95(values):.1f}")
    console.print(table)
    console.print(
        f"in processes - in threads, pair by pair: {statistics.median(differences):+.1f} ms "
        f"({low:+.1f} to {high:+.1f} is the median's 95 % interval, by bootstrap). On a busy machine most of it is "
        "the wait for a processor, once more each way."
    )


def _check(spec: GuardSpec, subject: Subject) -> str:
    guard = GUARDS[spec.guard]
    return guard_work.reason_against(guard, guard.arguments.model_validate(spec.arguments), subject)
