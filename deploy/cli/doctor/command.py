"""`perdure doctor`: checks servers, versions, clocks, disk, keys, attributes, migrations, models and file modes."""

import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from activities import settings as tree
from activities.settings import Settings
from deploy.cli.doctor.examine import examine
from deploy.cli.doctor.files import DIGESTS, KEYS, MODES, SECRETS
from deploy.cli.doctor.finding import Check, Context, Finding, State
from deploy.cli.doctor.host import DISK, VERSIONS
from deploy.cli.doctor.servers import DATABASE, REDIS, STORE, models
from deploy.cli.doctor.temporal import TEMPORAL

STYLES = {State.OK: "green", State.WARN: "yellow", State.WRONG: "bold red", State.SKIPPED: "dim"}


def checks(settings: Settings) -> list[Check]:
    """Return every check, in the order of the report."""
    servers = [TEMPORAL, DATABASE, *REDIS, STORE, *models(settings)]
    return [*servers, VERSIONS, DISK, KEYS, SECRETS, MODES, DIGESTS]


def doctor(
    *,
    within: Annotated[
        float, typer.Option("--within", metavar="SECONDS", min=1, help="How long each check may take.")
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check everything that the platform needs, and say in a line each what is wrong and what to do.

    It changes nothing. The exit code is 1 where something is wrong. All checks run at the same time, so a server that
    hangs delays only the report about itself.
    """
    settings = tree.load()
    with Console(stderr=True).status("checking") as status:

        def progress(left: Sequence[str], count: int) -> None:
            if sys.stderr.isatty():
                status.update(f"checked {count - len(left)} of {count}: {', '.join(left[:4])}")

        findings = examine(checks(settings), Context(settings, timedelta(seconds=within)), progress)
    if as_json:
        sys.stdout.write(json.dumps([finding.model_dump(mode="json") for finding in findings]) + "\n")
    else:
        show(findings)
    if any(finding.state is State.WRONG for finding in findings):
        raise typer.Exit(1)


def show(findings: tuple[Finding, ...]) -> None:
    """Print a line for each finding, and a last one that counts them."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        state = Text(f"{finding.state.value:<8}", style=STYLES[finding.state])
        console.print(Text.assemble(state, f"{finding.name:<{width}}  ", " ".join(finding.line.split())))
    counts = {state: sum(1 for finding in findings if finding.state is state) for state in State}
    shown = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
    Console(stderr=True, highlight=False).print(shown)
