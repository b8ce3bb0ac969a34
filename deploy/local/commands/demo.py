"""Runs the demonstration: a few questions through the real chain, each shown with its answer, cost and link."""

import asyncio
import tomllib
import uuid

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from activities import settings as tree
from activities.adapters.tokens.open import open_token_log
from activities.settings import ROOT, Settings
from deploy.local.commands.demo_agent import run_agent
from deploy.local.commands.follow import Followed, follow
from deploy.local.commands.session import session
from deploy.processes.state_file import Addresses
from perdure.client import Platform
from perdure.contracts.budget import cost_text
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import (
    Abstained,
    Answered,
    Cancelled,
    Exhausted,
    Extracted,
    Outcome,
    Refused,
    RunStatus,
    Stuck,
    Unfinished,
)
from perdure.errors import PlatformError

HANDBOOK = ROOT / "evals" / "datasets" / "handbook"
"""The sample handbook: its documents, and questions about them."""

NAMESPACE = "default"
"""The Temporal namespace of the embedded stack."""


def main(
    question: str | None = None, tier: str | None = None, settings: Settings | None = None, *, yes: bool = False
) -> int:
    """Ask the demonstration's questions and run its agent on a task, or ask one question of the user's own.

    Return 0 where every run ended with an outcome, and the desk received the agent's write exactly once. `yes` approves
    the agent's writes; without it the user is asked, if there is a terminal.
    """
    console = Console(width=120)
    questions = [question] if question else _demo_questions()
    with session(HANDBOOK / "documents", tier=tier, settings=settings) as addresses:
        series = uuid.uuid4().hex[:8]
        failures = asyncio.run(_ask(questions, tier, addresses, console, series=series))
        if question is None:
            failures += asyncio.run(_run_agent(addresses, console, series=series, yes=yes))
        return 1 if failures else 0


def _demo_questions() -> list[str]:
    """Load the demonstration's questions about the sample handbook."""
    return [item["question"] for item in tomllib.loads((HANDBOOK / "demo.toml").read_text())["question"]]


async def _ask(questions: list[str], tier: str | None, addresses: Addresses, console: Console, *, series: str) -> int:
    """Ask the questions and print each run; return how many ended without an outcome."""
    failures = 0
    async with open_token_log(tree.load()) as log, await Platform.connect(addresses.temporal) as platform:
        for number, question in enumerate(questions, start=1):
            console.print(Panel(escape(question), title=f"{number} of {len(questions)}", title_align="left"))
            try:
                started = await platform.start(question, business_id=f"demo-{series}-{number}", tier=tier)
                followed = await follow(platform, log, started, console)
            except (BadInput, PlatformError) as error:
                console.print(f"perdure: {escape(str(error))}", style="red")
                failures += 1
                continue
            console.print(_rendered(followed, addresses.ui), soft_wrap=True)
    return failures


async def _run_agent(addresses: Addresses, console: Console, *, series: str, yes: bool) -> int:
    """Run the agent on its task; return 0 where it succeeded. Skip it where the stack has no desk to count at."""
    if addresses.desk is None:
        console.print(
            "The agent's part is left out: the settings name a desk that is not this stack's.", style="yellow"
        )
        return 0
    async with await Platform.connect(addresses.temporal) as platform:
        try:
            done = await run_agent(platform, f"demo-{series}-agent", addresses.desk, console, yes=yes)
        except (BadInput, PlatformError) as error:
            console.print(f"perdure: {escape(str(error))}", style="red")
            return 1
    spent, counts = done.result.spent, ", ".join(map(str, done.tickets.values())) or "none"
    lines = [
        f"[bold]{done.result.outcome.kind}[/bold]  {_outcome_text(done.result.outcome)}",
        f"  desk     received the ticket {counts} time{'' if counts == '1' else 's'}",
        f"  spent    {spent.steps} thoughts, {spent.tool_calls} calls of tools, {cost_text(spent)}",
        f"  run      {link(addresses.ui, done.status)}",
    ]
    console.print("\n".join(lines) + "\n", soft_wrap=True)
    return 0 if done.succeeded else 1


def _rendered(followed: Followed, ui: str | None) -> str:
    """Return one run as a few lines of markup."""
    result, spent = followed.result, followed.result.spent
    lines = [f"[bold]{result.outcome.kind}[/bold]  {_outcome_text(result.outcome)}"]
    lines += [f"  [yellow]notice[/yellow]   {escape(notice)}" for notice in result.notices]
    for citation in getattr(result.outcome, "citations", ()):
        edition = citation.edition
        dated = f", {edition.effective}" if edition.effective else ""
        cites = "replaced" if citation.superseded else "cites   "
        lines.append(f"  {cites} {escape(edition.title)} ({edition.document}, version {edition.version}{dated})")
        lines.append(f'           "{escape(citation.quote)}"')
    verdicts = ", ".join(f"{verdict.guard} {escape(verdict.reason) or 'ok'}" for verdict in result.verdicts)
    lines.append(f"  guards   {verdicts}")
    lines.append(f"  spent    {cost_text(spent)}")
    took = [f"{timing.stage} {timing.milliseconds} ms" for timing in result.timings]
    if followed.first_word_ms is not None:
        took.append(f"first word shown after {followed.first_word_ms:.0f} ms")
    lines.append("  took     " + ", ".join(took))
    called = spent.steps or result.unsettled.steps
    lines.append(f"  model    {result.deployment if called else 'none was asked'}")
    lines.append(f"  run      {link(ui, followed.status)}")
    return "\n".join(lines) + "\n"


def _outcome_text(outcome: Outcome) -> str:
    """Return the answer, the reason or the record of an outcome as markup."""
    match outcome:
        case Answered():
            return escape(outcome.answer.body or "")
        case Abstained() | Refused() | Exhausted() | Stuck() | Unfinished():
            return escape(outcome.reason)
        case Extracted():
            return escape(", ".join(f"{name}: {value}" for name, value in outcome.record.values().items()))
        case Cancelled():
            return f"while {outcome.phase.value}"


def link(ui: str | None, status: RunStatus) -> str:
    """Return the run's page in the Temporal UI; its workflow id where the UI's address is unknown."""
    if ui is None:
        return status.workflow_id
    return f"{ui}/namespaces/{NAMESPACE}/workflows/{status.workflow_id}/{status.temporal_run_id}/history"
