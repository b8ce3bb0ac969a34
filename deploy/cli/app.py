"""The whole command line of a checkout: the client's commands, and one line for each command of the platform."""

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from deploy.cli.audit import audit
from deploy.cli.budget import budget
from deploy.cli.database import backup, migrate, restore
from deploy.cli.doctor import doctor
from deploy.cli.documents import index
from deploy.cli.effects import effects
from deploy.cli.errors import explain
from deploy.cli.evals import evals
from deploy.cli.models import models
from deploy.cli.stack import demo, fetch, up
from deploy.cli.supply import licences, sbom
from deploy.cli.tools import tool, tools
from deploy.cli.versions import versions
from deploy.cli.worker import worker
from perdure.cli.app import commands
from perdure.cli.app import main as run
from perdure.cli.exits import leave

app = commands()

for command in (up, demo, fetch, worker):
    app.command(rich_help_panel="The stack")(command)
for command in (index, tools, tool):
    app.command(rich_help_panel="Authors")(command)
app.add_typer(evals, name="evals", rich_help_panel="Authors")
for command in (doctor, audit, migrate, backup, restore, budget, effects, sbom, licences):
    app.command(rich_help_panel="Operators")(command)
app.add_typer(models, name="models", rich_help_panel="Operators")
app.add_typer(versions, name="versions", rich_help_panel="Operators")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run(arguments, app=app, explain=explain)


def end(*group: str) -> NoReturn:
    """Run the command of this process, and end it. `group` stands before what was typed: a module's name for it."""
    # SIGTERM ends a command as Ctrl-C does: it cleans up first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    leave(main([*group, *sys.argv[1:]]))
