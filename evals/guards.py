"""Measures the guards: on their own cases, on every question about the handbook, and on a long document."""

import asyncio
import statistics
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from activities.adapters.guards.guardrails_guards import GuardrailsGuards
from activities.ports import Guards, Subject
from activities.settings import load as load_settings
from agents.loader import Specs
from deploy.processes.progress import CONSOLE
from evals.intervals import share
from evals.questions import DATASETS, HANDBOOK, load
from evals.report import Report
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


async def measured() -> Report:
    """Measure all guards: a row for each guard, then what they find in questions and in a long document."""
    guards = GuardrailsGuards()
    with CONSOLE.status("loading the guards"):
        await asyncio.to_thread(guards.warm_up().join)
    rows: list[tuple[str, ...]] = []
    records: list[dict[str, Any]] = []
    lines: list[str] = []
    for case in cases():
        spec = GuardSpec(guard=case.guard, deadline=DEADLINE)
        positives, negatives = [await verdicts(guards, spec, texts) for texts in (case.found, case.none)]
        missed = [text for text, verdict in zip(case.found, positives, strict=True) if verdict.passed]
        alarms = [text for text, verdict in zip(case.none, negatives, strict=True) if not verdict.passed]
        lines += [f"{case.guard} missed: {text}" for text in missed]
        lines += [f"{case.guard} false alarm: {text}" for text in alarms]
        times = [verdict.milliseconds for verdict in (*positives, *negatives)]
        median, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        found = share(len(positives) - len(missed), len(positives))
        rows.append((case.guard, found, share(len(alarms), len(negatives)), f"{median:.1f}", f"{high:.1f}"))
        counts = {"cases": len(positives), "missed": missed, "honest": len(negatives), "false_alarms": alarms}
        records.append({"guard": case.guard, **counts, "p50_ms": median, "p95_ms": high})
    lines += [*await _questions(guards), *await _document(guards)]
    columns = ("guard", "found of what it must find", "false alarms", "p50 ms", "p95 ms")
    return Report(lines, columns, rows, records)


async def _questions(guards: Guards) -> list[str]:
    chain, lines = Specs(load_settings().paths.agent_folders).chain(CHAIN), list[str]()
    for name in ("golden", "calibration", "demo"):
        questions = load(HANDBOOK / f"{name}.toml")
        findings = 0
        for question in questions:
            for verdict in await guards.run(chain.screen, Subject(text=question.question)):
                if verdict.reason:
                    findings += 1
                    lines.append(f"{name}.toml {question.id}: {verdict.guard} {verdict.action.value}: {verdict.reason}")
        lines.append(f"{name}.toml: {findings} findings in {len(questions)} questions by {len(chain.screen)} guards")
    return lines


async def _document(guards: Guards) -> list[str]:
    texts = [path.read_text() for path in sorted((HANDBOOK / "documents").glob("*.md"))]
    document = "\n".join(texts * (LONG // sum(map(len, texts)) + 1))[:LONG]
    lines: list[str] = []
    for name in ("pii", "injection", "toxicity"):
        [verdict] = await guards.run([GuardSpec(guard=name, deadline=DEADLINE)], Subject(text=document))
        finding = verdict.reason or "nothing found"
        lines.append(f"{name} on {LONG:,} characters: {verdict.milliseconds:,.0f} ms, {verdict.ended.value}, {finding}")
    return lines


def run() -> Report:
    """Measure the guards. There is no floor: the figures are for people."""
    return asyncio.run(measured())
