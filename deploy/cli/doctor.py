"""`perdure doctor`: checks everything that the platform needs, and says what is wrong and what to do."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from perdure.cli import options
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output, one_line

if TYPE_CHECKING:
    from deploy.doctor.finding import Finding

STYLES = {"ok": "green", "warn": "yellow", "wrong": "bold red", "skipped": "dim"}
"""The colour of each state, in the order in which they are counted."""


def doctor(
    *,
    within: Annotated[
        float, typer.Option("--within", metavar="SECONDS", min=1, help="How long each check may take.")
    ] = 10,
    as_json: options.Json = False,
) -> None:
    """Check servers, versions, clocks, disk, keys and files: a line each, and what to do.

    It changes nothing. All checks run at the same time, so a server that hangs delays only the line about itself. Ends
    with 1 where something is wrong.
    """
    from datetime import timedelta

    from activities.settings import load
    from deploy.doctor.every import checks
    from deploy.doctor.examine import examine
    from deploy.doctor.finding import Context

    settings = load()
    with Console(stderr=True).status("checking") as status:

        def progress(left: Sequence[str], count: int) -> None:
            if sys.stderr.isatty():
                status.update(f"checked {count - len(left)} of {count}: {', '.join(left[:4])}")

        findings = examine(checks(settings), Context(settings, timedelta(seconds=within)), progress)
    out = Output(as_json=as_json)
    if as_json:
        out.json(findings)
    else:
        show(out, findings)
    if any(finding.state.value == "wrong" for finding in findings):
        raise Ended(Exit.ERROR)


def show(out: Output, findings: "Sequence[Finding]") -> None:
    """Print a line for each finding, and how many there are of each state."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        state = finding.state.value
        line = f"{finding.name:<{width}}  {one_line(finding.line)}"
        out.say(Text.assemble((f"{state:<8}", STYLES[state]), line))
    states = [finding.state.value for finding in findings]
    out.note(", ".join(f"{states.count(state)} {state}" for state in STYLES if state in states))
