"""The shipped agents on a real model: tasks with writes, which are agreed to by themselves and counted at the desk."""

import argparse
import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from activities.settings import load as load_settings
from deploy.local.commands.session import session
from deploy.local.stack.desk import Desk
from deploy.processes.errors import DeployError
from evals.agent_tasks import TASKS, AgentTask, TaskScore, load, score
from evals.questions import HANDBOOK
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.errors import RunFailed

BUDGET = Budget(steps=8, tool_calls=8, micro_dollars=100_000)

EVERY = 0.3
"""Seconds between two looks at what waits."""


async def do_task(
    platform: Platform, task: AgentTask, run: str, tier: str, desk: Desk
) -> tuple[dict[str, Any], TaskScore]:
    """Have an agent do a task, and say what came of it."""
    before, counted = desk.kept(), desk.received()
    await platform.start_agent(task.task, agent=task.agent, business_id=run, tier=tier, budget=BUDGET)
    agreeing = asyncio.create_task(_agree(platform, run))
    try:
        result = await platform.result(run)
        outcome, spent = result.outcome.kind, result.spent.steps
        words = result.outcome.answer.body or "" if isinstance(result.outcome, Answered) else str(result.outcome)
    except RunFailed as failed:
        outcome, words, spent = "failed", str(failed), 0
    finally:
        agreeing.cancel()
        await asyncio.gather(agreeing, return_exceptions=True)
    after, received = desk.kept(), desk.received()
    kept = {kind: after[kind][len(before[kind]) :] for kind in after}
    new = [count for kind, keys in received.items() for key, count in keys.items() if key not in counted[kind]]
    points = score(task, outcome, words, kept, max(new, default=0))
    return {"id": task.id, "run": run, "outcome": outcome, "steps": spent, "said": words, "kept": kept}, points


async def _agree(platform: Platform, run: str) -> None:
    """Say yes to whatever waits."""
    said: list[str] = []
    while True:
        for step in await platform.pending(run):
            if step.digest not in said:
                said.append(step.digest)
                yes = StepDecision(
                    decision_id=str(uuid.uuid4()),
                    step=step.step,
                    digest=step.digest,
                    ruling=Ruling.APPROVE,
                    by="the eval",
                )
                await platform.decide(run, yes)
        await asyncio.sleep(EVERY)


async def do_all(tasks: list[AgentTask], tier: str, address: str, desk: Desk, console: Console) -> list[dict[str, Any]]:
    """One task after the other: the model is the bottleneck."""
    series = uuid.uuid4().hex[:8]
    rows: list[dict[str, Any]] = []
    async with await Platform.connect(address) as platform:
        for task in tasks:
            row, points = await do_task(platform, task, f"eval-{series}-{task.id}", tier, desk)
            rows.append({"agent": task.agent, **row, **asdict(points), "done": points.done})
            console.print(
                f"{task.agent} {task.id}: {'done' if points.done else 'NOT done'}: {escape(row['said'][:100])}"
            )
    return rows


def report(tasks: list[AgentTask], rows: list[Mapping[str, Any]], console: Console) -> None:
    """A line for each task, and the sums for each agent."""
    table = Table("agent", "task", "outcome", "steps", "asked", "desk has", "writes", "written", "answer", box=None)
    for task, row in zip(tasks, rows, strict=True):
        has = " + ".join(str(len(row["kept"][kind])) for kind in ("tickets", "messages"))
        marks = ["yes" if row[name] else "NO" for name in ("writes", "written", "answer")]
        asked = f"{task.tickets} + {task.messages}"
        table.add_row(task.agent, task.id, row["outcome"], str(row["steps"]), asked, has, *marks)
    console.print("asked and received: tickets + messages")
    console.print(table)
    for agent in dict.fromkeys(task.agent for task in tasks):
        mine = [row for row in rows if row["agent"] == agent]
        sums = ", ".join(f"{name} {sum(row[name] for row in mine)}" for name in ("done", "writes", "written", "answer"))
        console.print(f"{agent}: {sums}, of {len(mine)}")


def main(arguments: list[str]) -> int:
    """Have the shipped agents do the tasks of a set. 0 where all ran; there is no floor: small models miss many."""
    parser = argparse.ArgumentParser(prog="python -m evals agents", description=__doc__)
    parser.add_argument(
        "set", nargs="?", default="held_out", choices=sorted(file.stem for file in TASKS.glob("*.toml"))
    )
    parser.add_argument("--tier", default="fast", help="the tier that the agents think on")
    parser.add_argument("--agent", action="append", help="only this agent; may be repeated")
    asked = parser.parse_args(arguments)
    console = Console(width=160)
    state = load_settings().paths.state
    tasks = [task for task in load(TASKS / f"{asked.set}.toml") if not asked.agent or task.agent in asked.agent]
    with session(HANDBOOK / "documents", tier=asked.tier) as addresses:
        if addresses.desk is None:
            raise DeployError("the settings name a desk that is not this stack's: nothing could be counted")
        desk = Desk(state / "desk.db")
        rows = asyncio.run(do_all(tasks, asked.tier, addresses.temporal, desk, console))
    report(tasks, list(rows), console)
    folder = state / "evals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"agents-{asked.set}-{asked.tier}.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    return 0
