"""The demonstration: a few questions through the real chain, each told from its answer to its link."""

import asyncio
import uuid

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from deploy.local.record import Addresses
from deploy.local.session import session
from evals.questions import HANDBOOK, load
from perdure.client import Platform, PlatformError
from perdure.contracts.contract import BadInput
from perdure.contracts.run import (
    Abstained,
    Answered,
    Cancelled,
    Exhausted,
    Extracted,
    Outcome,
    Refused,
    RunResult,
    RunStatus,
)

NAMESPACE = "default"
"""The Temporal namespace of the embedded stack."""


def main(question: str | None = None) -> int:
    """Ask the demonstration's questions, or one of the user's own. 0 where every run ended with an outcome."""
    console = Console(width=120)
    asked = [question] if question else [item.question for item in load(HANDBOOK / "demo.toml")]
    with session(HANDBOOK / "documents") as addresses:
        return asyncio.run(_ask(asked, addresses, console))


async def _ask(questions: list[str], addresses: Addresses, console: Console) -> int:
    series = uuid.uuid4().hex[:8]
    failures = 0
    async with await Platform.connect(addresses.temporal) as platform:
        for number, question in enumerate(questions, start=1):
            console.print(Panel(escape(question), title=f"{number} of {len(questions)}", title_align="left"))
            business_id = f"demo-{series}-{number}"
            try:
                started = await platform.start(question, business_id=business_id)
                with console.status("running: screen, route, retrieve, generate, check"):
                    result = await platform.result(started)
                status = await platform.status(started)
            except (BadInput, PlatformError) as error:
                console.print(f"perdure: {escape(str(error))}", style="red")
                failures += 1
                continue
            console.print(_told(result, status, addresses.ui))
    return 1 if failures else 0


def _told(result: RunResult, status: RunStatus, ui: str | None) -> str:
    """One run, as a few lines of markup."""
    spent = result.spent
    lines = [f"[bold]{result.outcome.kind}[/bold]  {_said(result.outcome)}"]
    for citation in getattr(result.outcome, "citations", ()):
        edition = citation.edition
        dated = f", {edition.effective}" if edition.effective else ""
        cites = "replaced" if citation.superseded else "cites   "
        lines.append(f"  {cites} {escape(edition.title)} ({edition.document}, version {edition.version}{dated})")
        lines.append(f'           "{escape(citation.quote)}"')
    verdicts = ", ".join(f"{verdict.guard} {escape(verdict.reason) or 'ok'}" for verdict in result.verdicts)
    lines.append(f"  guards   {verdicts}")
    lines.append(
        f"  spent    {spent.input_tokens} + {spent.output_tokens} tokens, ${spent.micro_dollars / 1_000_000:.6f}"
    )
    lines.append("  took     " + ", ".join(f"{timing.stage} {timing.milliseconds} ms" for timing in result.timings))
    lines.append(f"  run      {link(ui, status)}")
    return "\n".join(lines) + "\n"


def _said(outcome: Outcome) -> str:
    match outcome:
        case Answered():
            return escape(outcome.answer.body or "")
        case Abstained() | Refused() | Exhausted():
            return escape(outcome.reason)
        case Extracted():
            return escape(", ".join(f"{name}: {value}" for name, value in outcome.record.values().items()))
        case Cancelled():
            return f"while {outcome.phase.value}"


def link(ui: str | None, status: RunStatus) -> str:
    """The run's page in the Temporal UI; its workflow id where the UI's address is not known."""
    if ui is None:
        return status.workflow_id
    return f"{ui}/namespaces/{NAMESPACE}/workflows/{status.workflow_id}/{status.temporal_run_id}/history"
