"""Runs the golden set: twenty questions through the real chain and the real fast tier, with a floor."""

import asyncio
import json
import uuid
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from activities.settings import load as load_settings
from deploy.local.commands.session import session
from evals.questions import HANDBOOK, Question, load
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


def report(scored: list[tuple[Question, RunResult, Score]], console: Console) -> None:
    """Print a line for each question, and the sums."""
    table = Table("question", "expected", "outcome", "cited", "outcome ok", "citation ok", "fact ok", box=None)
    for question, result, points in scored:
        citations = getattr(result.outcome, "citations", ())
        cited = sorted({f"{citation.edition.document}@{citation.edition.version}" for citation in citations})
        marks = ["yes" if right else "NO" for right in asdict(points).values()]
        table.add_row(question.id, question.outcome, result.outcome.kind, ", ".join(cited) or "-", *marks)
    console.print(table)
    count = len(scored)
    for name in ("outcome", "citation", "fact", "grounded"):
        label = "outcome and citation" if name == "grounded" else name
        console.print(f"{label}: {sum(getattr(points, name) for _, _, points in scored)}/{count}")


def main(arguments: list[str]) -> int:
    """Run the golden set, or the set that the first argument names. Return 0 if the floor is met, else 1."""
    console = Console(width=160)
    name = arguments[0] if arguments else "golden"
    questions = load(HANDBOOK / f"{name}.toml")
    with session(HANDBOOK / "documents") as addresses:
        results = asyncio.run(ask_all(questions, addresses.temporal, console))
    scored = [(question, result, score(question, result)) for question, result in results]
    report(scored, console)
    folder = load_settings().paths.state / "evals"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": question.id, **asdict(points), "result": result.model_dump(mode="json")}
        for question, result, points in scored
    ]
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    grounded = sum(points.grounded for _, _, points in scored)
    floor = FLOOR * len(questions) / 20
    if grounded < floor:
        console.print(f"below the floor: {grounded} of {len(questions)}, at least {floor:g} are needed")
        return 1
    return 0
