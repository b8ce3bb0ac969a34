"""`perdure evals`: measure what the platform answers, through the real workflows and real models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import options
from perdure.cli import options as shared
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output

if TYPE_CHECKING:
    from evals.report import Report

evals = typer.Typer(help="Measure answers, agents, extractions and guards; show what a model was sent.")

Set = Annotated[str, typer.Argument(metavar="[SET]", help="The set of questions or tasks: a file's name.")]


@evals.command("golden")
def golden(name: Set = "golden", *, as_json: shared.Json = False) -> None:
    """Ask twenty questions about the sample handbook, and score the answers. Ends with 1 below the floor."""
    from evals.golden import run

    _print(run(name), Output(as_json=as_json))


@evals.command("agents")
def agents(
    name: Set = "held_out",
    *,
    tier: Annotated[str, typer.Option("--tier", help="The tier that the agents think on.")] = "fast",
    agent: Annotated[list[str] | None, typer.Option("--agent", help="Only this agent; may be repeated.")] = None,
    as_json: shared.Json = False,
) -> None:
    """Have the shipped agents do tasks, agree to every write, and count what the desk receives."""
    from evals.agents import run

    _print(run(name, tier=tier, agents=agent or ()), Output(as_json=as_json))


@evals.command("extraction")
def extraction(
    sets: Annotated[list[str] | None, typer.Argument(metavar="[SET]...", help="Schemas (default: all).")] = None,
    *,
    as_json: shared.Json = False,
) -> None:
    """Read records from twenty documents, and score every field. Ends with 1 below the floor."""
    from evals.extraction import run

    _print(run(sets or ()), Output(as_json=as_json))


@evals.command("guards")
def guards(*, as_json: shared.Json = False) -> None:
    """Measure what each guard finds, and its false alarms."""
    from evals.guards import run

    _print(run(), Output(as_json=as_json))


@evals.command("show-prompt")
def show_prompt(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's business id, or a file with its history.")],
    step: Annotated[str, typer.Argument(metavar="STEP", help="think-3, compact-1, generate, extract ...")],
    *,
    tenant: options.Tenant = "default",
    as_json: shared.Json = False,
) -> None:
    """Show the exact prompt of a paid step, rebuilt from the run's history. Ends with 1 unless its digest matches."""
    from rich.console import Console

    from deploy.prompts.report import report
    from deploy.prompts.show_prompt import shown

    out, prompt = Output(as_json=as_json), shown(run, step, tenant)
    matches = prompt.recorded == prompt.digest
    if as_json:
        out.json(prompt.fields())
    else:
        report(prompt, Console())
        if matches:
            out.say(prompt.verdict)
    if not matches:
        raise Ended(Exit.ERROR, prompt.verdict)


@evals.command("injection-honest")
def injection_honest(
    *,
    write: Annotated[bool, typer.Option("--write", help="Store the threshold, the figures and the tables.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Set the injection guard's threshold on honest texts, and measure it on others. It takes minutes."""
    from evals.injection.card import section
    from evals.injection.false_alarms import run

    out, figures = Output(as_json=as_json), run(keep=write)
    if as_json:
        out.json(figures)
    else:
        out.answer(section(figures))


@evals.command("train-injection")
def train_injection(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; 1 where the model would be another.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Train the guard against prompt injections anew, from public corpora, and write its figures."""
    from evals.injection.train import run

    out, trained = Output(as_json=as_json), run(check=check)
    if as_json:
        out.json({"digest": trained.digest, "stored": trained.stored, "same": trained.digest == trained.stored})
    elif check:
        same = "the same model" if trained.digest == trained.stored else "ANOTHER MODEL"
        out.say(f"trained: {trained.digest}", f"kept:    {trained.stored}", same)
    else:
        out.answer(trained.report)
    if check and trained.digest != trained.stored:
        raise Ended(Exit.ERROR)


def _print(report: Report, out: Output) -> None:
    if out.as_json:
        out.json({"passed": report.passed, "rows": report.records, "summary": report.lines})
    else:
        out.rows(report.columns, report.rows)
        out.say(*report.lines)
    if not report.passed:
        raise Ended(Exit.ERROR)
