"""The demonstration's agent: a task that ends in a write, which a person agrees to and the desk counts."""

import asyncio
import sys
import uuid
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.prompt import Confirm

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered, AnyPhase, RunResult, RunStatus
from perdure.contracts.tool_calls.decisions import PendingStep, Ruling, StepDecision

AGENT = "operations"
TASK = (
    "1. Find out how many weeks of parental leave are paid in full. "
    '2. Open a ticket titled "Parental leave" that says it. 3. Tell me the number of weeks.'
)
BUDGET = Budget(steps=8, tool_calls=8, micro_dollars=100_000)

EVERY = 0.3
"""Seconds between two looks at the run."""


@dataclass(frozen=True)
class Done:
    """What came of the task."""

    result: RunResult
    status: RunStatus
    tickets: dict[str, int]
    """How often the desk received each ticket of this run, by its key."""

    @property
    def well(self) -> bool:
        """Whether the task was done, and its write received exactly once."""
        return isinstance(self.result.outcome, Answered) and list(self.tickets.values()) == [1]


async def run_agent(platform: Platform, run: str, desk: str, console: Console, *, yes: bool) -> Done:
    """Have the agent do its task, and tell it step by step. `yes` agrees to every write by itself, and says so."""
    console.print(Panel(escape(TASK), title=f"the agent {AGENT!r}", title_align="left"))
    before = await _received(desk)
    await platform.start_agent(TASK, agent=AGENT, business_id=run, budget=BUDGET)
    watching = asyncio.create_task(_watch(platform, run, console, yes=yes))
    try:
        result = await platform.result(run)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    after = await _received(desk)
    tickets = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
    return Done(result, await platform.status(run), tickets)


async def _watch(platform: Platform, run: str, console: Console, *, yes: bool) -> None:
    """Tell each phase once, and ask about each step that waits."""
    shown: AnyPhase | None = None
    asked: set[str] = set()
    while True:
        status = await platform.status(run)
        if status.phase is not shown and status.phase is not None:
            shown = status.phase
            console.print(f"  {shown.value}", style="dim")
        for step in await platform.pending(run):
            if step.digest not in asked:
                asked.add(step.digest)
                await _decide(platform, run, step, console, yes=yes)
        await asyncio.sleep(EVERY)


async def _decide(platform: Platform, run: str, step: PendingStep, console: Console, *, yes: bool) -> None:
    console.print(
        f"  [bold]{step.step}[/bold] waits for a person: {escape(step.tool)} {escape(step.arguments.body or '')}"
    )
    if yes or not sys.stdin.isatty():
        console.print(
            "  approved by the demonstration itself: there is nobody to ask" if not yes else "  approved: --yes"
        )
        agreed = True
    else:
        agreed = await asyncio.to_thread(Confirm.ask, "  May it be called?", console=console, default=True)
    ruling = Ruling.APPROVE if agreed else Ruling.DENY
    await platform.decide(
        run,
        StepDecision(
            decision_id=str(uuid.uuid4()),
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="the demonstration",
            reason="" if agreed else "the user of the demonstration said no",
        ),
    )


async def _received(desk: str) -> dict[str, int]:
    """How often the desk has received each ticket."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"{desk}/received")
    tickets: dict[str, int] = answer.raise_for_status().json()["tickets"]
    return tickets
