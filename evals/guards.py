"""Measures the guards: on their own cases, on every question about the handbook, and on a long document."""

import asyncio
import statistics
import tomllib
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from activities.adapters.guards.guardrails_guards import GuardrailsGuards
from activities.ports import Guards, Subject
from activities.settings import load as load_settings
from agents.loader import Specs
from evals.intervals import share
from evals.questions import DATASETS, HANDBOOK, load
from perdure.contracts.guards import GuardSpec, Verdict

DEADLINE = timedelta(seconds=8)
LONG = 200_000
"""The length of the long document, in characters."""
CHAIN = "handbook"


@dataclass(frozen=True)
class Cases:
    """Texts that a guard must find something in, and texts that it must let pass."""

    guard: str
    found: list[str]
    none: list[str]


def cases() -> list[Cases]:
    """Load the cases of every guard that has any."""
    injection = {name: _read(f"injection/{name}.toml")["texts"] for name in ("attacks", "benign")}
    own = [Cases(name, **_read(f"{name}/cases.toml")) for name in ("pii", "toxicity")]
    return [own[0], Cases("injection", injection["attacks"], injection["benign"]), own[1]]


def _read(name: str) -> dict[str, list[str]]:
    return tomllib.loads((DATASETS / name).read_text())


async def verdicts(guards: Guards, spec: GuardSpec, texts: list[str]) -> list[Verdict]:
    """Run the guard on one text after the other, so that each has the processor to itself; return the verdicts."""
    return [(await guards.run([spec], Subject(text=text)))[0] for text in texts]


async def measure(console: Console) -> None:
    """Measure all guards and print the tables."""
    guards = GuardrailsGuards()
    with console.status("loading the guards"):
        await asyncio.to_thread(guards.warm_up().join)
    table = Table("guard", "found of what it must find", "false alarms", "p50 ms", "p95 ms", box=None)
    for case in cases():
        spec = GuardSpec(guard=case.guard, deadline=DEADLINE)
        positives, negatives = [await verdicts(guards, spec, texts) for texts in (case.found, case.none)]
        for text, verdict in [*zip(case.found, positives, strict=True), *zip(case.none, negatives, strict=True)]:
            if verdict.passed == (text in case.found):
                console.print(f"{case.guard} {'missed' if verdict.passed else 'false alarm'}: {text}", markup=False)
        times = [verdict.milliseconds for verdict in (*positives, *negatives)]
        cuts = statistics.quantiles(times, n=20)
        table.add_row(
            case.guard,
            share(sum(not verdict.passed for verdict in positives), len(positives)),
            share(sum(not verdict.passed for verdict in negatives), len(negatives)),
            f"{statistics.median(times):.1f}",
            f"{cuts[-1]:.1f}",
        )
    console.print(table)
    await _questions(guards, console)
    await _document(guards, console)


async def _questions(guards: Guards, console: Console) -> None:
    chain = Specs(load_settings().paths.agent_folders).chain(CHAIN)
    for name in ("golden", "calibration", "demo"):
        questions = load(HANDBOOK / f"{name}.toml")
        findings = 0
        for question in questions:
            for verdict in await guards.run(chain.screen, Subject(text=question.question)):
                if verdict.reason:
                    findings += 1
                    line = f"{name}.toml {question.id}: {verdict.guard} {verdict.action.value}: {verdict.reason}"
                    console.print(line, markup=False)
        console.print(f"{name}.toml: {findings} findings in {len(questions)} questions by {len(chain.screen)} guards")


async def _document(guards: Guards, console: Console) -> None:
    texts = [path.read_text() for path in sorted((HANDBOOK / "documents").glob("*.md"))]
    document = "\n".join(texts * (LONG // sum(map(len, texts)) + 1))[:LONG]
    for name in ("pii", "injection", "toxicity"):
        [verdict] = await guards.run([GuardSpec(guard=name, deadline=DEADLINE)], Subject(text=document))
        finding = verdict.reason or "nothing found"
        console.print(
            f"{name} on {LONG:,} characters: {verdict.milliseconds:,.0f} ms, {verdict.ended.value}, {finding}"
        )


def main(_: list[str]) -> int:
    """Measure the guards. Return 0 always: the figures are for people."""
    asyncio.run(measure(Console(width=160)))
    return 0
