"""Evaluates the shipped agents on a real model: every write is approved automatically and counted at the desk."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from activities.settings import load as load_settings
from deploy.local.commands.session import session
from deploy.local.stack.desk import Desk
from deploy.processes.errors import BadArgument, DeployError
from deploy.processes.progress import CONSOLE
from evals.agent_tasks import TASKS, AgentTask, TaskScore, claimed, load, score
from evals.questions import HANDBOOK
from evals.report import Report
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.errors import RunFailed

BUDGET = Budget(steps=8, tool_calls=8, micro_dollars=100_000)
"""The budget of every run."""

EVERY = 0.3
"""The seconds between two queries for steps that wait for approval."""


async def do_task(
    platform: Platform, task: AgentTask, run: str, tier: str, desk: Desk
) -> tuple[dict[str, Any], TaskScore]:
    """Run an agent on a task; return the row of the report and the score."""
    writes_before, received_before = desk.kept(), desk.received()
    await platform.start_agent(
        task.task, agent=task.agent, business_id=run, tier=tier, budget=BUDGET, requires=task.requires
    )
    approving = asyncio.create_task(_approve_all(platform, run))
    try:
        result = await platform.result(run)
        outcome, spent = result.outcome.kind, result.spent.steps
        words = result.outcome.answer.body or "" if isinstance(result.outcome, Answered) else str(result.outcome)
    except RunFailed as failed:
        outcome, words, spent = "failed", str(failed), 0
    finally:
        approving.cancel()
        await asyncio.gather(approving, return_exceptions=True)
    writes_after, received = desk.kept(), desk.received()
    writes = {kind: writes_after[kind][len(writes_before[kind]) :] for kind in writes_after}
    new = [count for kind, keys in received.items() for key, count in keys.items() if key not in received_before[kind]]
    points = score(task, outcome, words, writes, max(new, default=0))
    return {"id": task.id, "run": run, "outcome": outcome, "steps": spent, "said": words, "kept": writes}, points


async def _approve_all(platform: Platform, run: str) -> None:
    """Approve every step that waits, until cancelled."""
    approved: list[str] = []
    while True:
        for step in await platform.pending(run):
            if step.digest not in approved:
                approved.append(step.digest)
                decision = StepDecision(
                    decision_id=str(uuid.uuid4()),
                    step=step.step,
                    digest=step.digest,
                    ruling=Ruling.APPROVE,
                    by="the eval",
                )
                await platform.decide(run, decision)
        await asyncio.sleep(EVERY)


async def do_all(tasks: list[AgentTask], tier: str, address: str, desk: Desk, console: Console) -> list[dict[str, Any]]:
    """Run the tasks one after the other: the model is the bottleneck."""
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


def report(tasks: list[AgentTask], rows: list[dict[str, Any]]) -> Report:
    """Return a row for each task, and the sums for each agent."""
    table: list[tuple[str, ...]] = []
    for task, row in zip(tasks, rows, strict=True):
        actual = " + ".join(str(len(row["kept"][kind])) for kind in ("tickets", "messages"))
        marks = ["yes" if row[name] else "NO" for name in ("writes", "written", "answer")]
        expected = f"{task.tickets} + {task.messages}"
        table.append((task.agent, task.id, row["outcome"], str(row["steps"]), expected, actual, *marks))
    lines = ["asked and received: tickets + messages"]
    for agent in dict.fromkeys(task.agent for task in tasks):
        mine = [row for row in rows if row["agent"] == agent]
        sums = ", ".join(f"{name} {sum(row[name] for row in mine)}" for name in ("done", "writes", "written", "answer"))
        lines.append(f"{agent}: {sums}, of {len(mine)}")
    lines.append(f"all: done {sum(row['done'] for row in rows)} of {len(rows)}")
    only_said = sum(claimed(task, row["outcome"], row["kept"]) for task, row in zip(tasks, rows, strict=True))
    needed = sum(bool(task.requires) for task in tasks)
    lines.append(f"answered without a write that the task needs: {only_said} of {needed}")
    columns = ("agent", "task", "outcome", "steps", "asked", "desk has", "writes", "written", "answer")
    return Report(lines, columns, table, rows)


def run(name: str = "held_out", *, tier: str = "fast", agents: Sequence[str] = ()) -> Report:
    """Run the shipped agents on a set of tasks; `agents` are the only ones. No floor: small models miss many."""
    known = sorted(file.stem for file in TASKS.glob("*.toml"))
    if name not in known:
        raise BadArgument(f"there is no set of tasks {name!r}: the sets are {', '.join(known)}")
    state = load_settings().paths.state
    tasks = [task for task in load(TASKS / f"{name}.toml") if not agents or task.agent in agents]
    with session(HANDBOOK / "documents", tier=tier) as addresses:
        if addresses.desk is None:
            raise DeployError("the settings name a desk that is not this stack's: nothing could be counted")
        desk = Desk(state / "desk.db")
        rows = asyncio.run(do_all(tasks, tier, addresses.temporal, desk, CONSOLE))
    folder = state / "evals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"agents-{name}-{tier}.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    return report(tasks, rows)
