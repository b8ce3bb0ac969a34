"""Runs the demonstration's agent: its task ends in a write, which a person approves and the desk counts."""

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
"""The seconds between two queries of the run's status."""


@dataclass(frozen=True)
class Done:
    """The result of the task."""

    result: RunResult
    status: RunStatus
    tickets: dict[str, int]
    """How often the desk received each ticket of this run, by the ticket's key."""

    @property
    def succeeded(self) -> bool:
        """Whether the run was answered, and the desk received its write exactly once."""
        return isinstance(self.result.outcome, Answered) and list(self.tickets.values()) == [1]


async def run_agent(platform: Platform, run: str, desk: str, console: Console, *, yes: bool) -> Done:
    """Run the agent on its task, and print each step. `yes` approves every write without asking, and prints that."""
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
    """Print each phase once, and decide about each step that waits, until cancelled."""
    shown: AnyPhase | None = None
    decided: set[str] = set()
    while True:
        status = await platform.status(run)
        if status.phase is not shown and status.phase is not None:
            shown = status.phase
            console.print(f"  {shown.value}", style="dim")
        for step in await platform.pending(run):
            if step.digest not in decided:
                decided.add(step.digest)
                await _decide(platform, run, step, console, yes=yes)
        await asyncio.sleep(EVERY)


async def _decide(platform: Platform, run: str, step: PendingStep, console: Console, *, yes: bool) -> None:
    """Ask the user about a step that waits, or approve it where `yes` is set or there is no terminal."""
    console.print(
        f"  [bold]{step.step}[/bold] waits for a person: {escape(step.tool)} {escape(step.arguments.body or '')}"
    )
    if yes or not sys.stdin.isatty():
        console.print(
            "  approved by the demonstration itself: there is nobody to ask" if not yes else "  approved: --yes"
        )
        approved = True
    else:
        approved = await asyncio.to_thread(Confirm.ask, "  May it be called?", console=console, default=True)
    ruling = Ruling.APPROVE if approved else Ruling.DENY
    await platform.decide(
        run,
        StepDecision(
            decision_id=str(uuid.uuid4()),
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="the demonstration",
            reason="" if approved else "the user of the demonstration said no",
        ),
    )


async def _received(desk: str) -> dict[str, int]:
    """Return how often the desk has received each ticket, by key."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"{desk}/received")
    tickets: dict[str, int] = answer.raise_for_status().json()["tickets"]
    return tickets
