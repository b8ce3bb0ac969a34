"""Runs the golden set: twenty questions through the real chain and the real fast tier, with a floor."""

import asyncio
import json
import uuid
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from activities.settings import load as load_settings
from deploy.local.commands.session import session
from deploy.processes.errors import BadArgument
from deploy.processes.progress import CONSOLE
from evals.questions import HANDBOOK, Question, load
from evals.report import Report
from evals.scorers import Score, score
from perdure.client import Platform
from perdure.contracts.runs.run import RunResult

FLOOR = 14
"""The least number of questions, of twenty, whose outcome and citation must both be right."""


async def ask_all(questions: list[Question], address: str, console: Console) -> list[tuple[Question, RunResult]]:
    """Ask one question after the other, with a bar: the model is the bottleneck, and a queue would only hide it."""
    series = uuid.uuid4().hex[:8]
    results: list[tuple[Question, RunResult]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with await Platform.connect(address) as platform:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("golden questions", total=len(questions))
            for question in questions:
                result = await platform.ask(question.question, business_id=f"golden-{series}-{question.id}")
                results.append((question, result))
                bar.console.print(f"{question.id}: {result.outcome.kind}")
                bar.advance(task)
    return results


def report(scored: list[tuple[Question, RunResult, Score]], records: list[dict[str, Any]]) -> Report:
    """Return a row for each question, and the sums."""
    rows: list[tuple[str, ...]] = []
    for question, result, points in scored:
        citations = getattr(result.outcome, "citations", ())
        cited = sorted({f"{citation.edition.document}@{citation.edition.version}" for citation in citations})
        marks = ["yes" if right else "NO" for right in asdict(points).values()]
        rows.append((question.id, question.outcome, result.outcome.kind, ", ".join(cited) or "-", *marks))
    count, lines = len(scored), list[str]()
    for name in ("outcome", "citation", "fact", "grounded"):
        label = "outcome and citation" if name == "grounded" else name
        lines.append(f"{label}: {sum(getattr(points, name) for _, _, points in scored)}/{count}")
    grounded, floor = sum(points.grounded for _, _, points in scored), FLOOR * count / 20
    if grounded < floor:
        lines.append(f"below the floor: {grounded} of {count}, at least {floor:g} are needed")
    columns = ("question", "expected", "outcome", "cited", "outcome ok", "citation ok", "fact ok")
    return Report(lines, columns, rows, records, passed=grounded >= floor)


def run(name: str = "golden") -> Report:
    """Run the golden set, or another set of questions. The whole results are kept under the state."""
    path = HANDBOOK / f"{name}.toml"
    known = sorted(file.stem for file in HANDBOOK.glob("*.toml"))
    if name not in known:
        raise BadArgument(f"there is no set of questions {name!r}: the sets are {', '.join(known)}")
    questions = load(path)
    with session(HANDBOOK / "documents") as addresses:
        results = asyncio.run(ask_all(questions, addresses.temporal, CONSOLE))
    scored = [(question, result, score(question, result)) for question, result in results]
    folder = load_settings().paths.state / "evals"
    folder.mkdir(parents=True, exist_ok=True)
    records = [
        {"id": question.id, **asdict(points), "result": result.model_dump(mode="json")}
        for question, result, points in scored
    ]
    (folder / f"{name}.json").write_text(json.dumps(records, indent=1, ensure_ascii=False))
    return report(scored, records)
