"""The commands put together, and what every one of them does when it cannot go on: one line, and its exit code."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer
from temporalio.service import RPCError

from perdure.cli.commands import people, runs, show
from perdure.cli.commands.retry import retry
from perdure.cli.commands.schedule import schedule
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import one_line
from perdure.cli.session import Session
from perdure.contracts.contract import BadInput
from perdure.errors import PlatformError

app = typer.Typer(
    name="perdure",
    help="Start runs, follow them, and decide what waits for a person.",
    epilog="Exit codes: 0 done, or answered; 1 error; 2 usage; 3 abstained or refused; 4 budget exhausted; "
    "5 cancelled; 6 a decision changed nothing; 7 the run goes on; 130 interrupted. The environment variable "
    "PERDURE_TOKEN is the signed token of who starts runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for command in (runs.ask, runs.run, runs.watch):
    app.command(rich_help_panel="Runs")(command)
app.command("list", rich_help_panel="Runs")(runs.list_runs)
for command in (show.show, runs.cancel, runs.pause, runs.resume):
    app.command(rich_help_panel="Runs")(command)
for command in (people.inbox, people.approve, people.edit, people.deny, people.answer):
    app.command(rich_help_panel="People")(command)
app.command(rich_help_panel="Operators")(retry)
app.add_typer(schedule, name="schedule", rich_help_panel="Operators")
app.add_typer(show.history, name="history", rich_help_panel="Operators")

TOKEN = "PERDURE_TOKEN"  # noqa: S105 - the name of the variable
"""The variable that holds the token of who starts runs: it is never an argument."""

LONGEST = 2000
"""Characters of a line that says why."""

COMPLAINT = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What typer's parser raises. The parser itself is click, or typer's own copy of it: that depends on the version."""


@app.callback()
def connection(
    context: typer.Context,
    *,
    address: Annotated[
        str | None, typer.Option("--address", help="Temporal's (default: TEMPORAL_ADDRESS, or its configuration file).")
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Temporal's (default: as configured).")] = None,
    ui: Annotated[
        str | None,
        typer.Option(
            "--ui",
            envvar="PERDURE_UI",
            metavar="URL",
            help="Of the Temporal UI, for links to runs (here: port + 1000).",
        ),
    ] = None,
    token: Annotated[str | None, typer.Option("--token", envvar=TOKEN, hidden=True)] = None,
    by_role: Annotated[
        bool, typer.Option("--by-role", help="Start chains where workers of one role each serve them.")
    ] = False,
) -> None:
    """Start runs, follow them, and decide what waits for a person."""
    source = context.get_parameter_source("token")
    if source is not None and source.name == "COMMANDLINE":
        raise BadInput(f"--token: everybody on this machine can read a command line: set {TOKEN} in the environment")
    context.obj = Session(address=address, namespace=namespace, ui=ui, by_role=by_role, caller_token=token or None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Whatever happens, nobody sees a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding is no reason to fail
    try:
        command = typer.main.get_command(app)
        ended = command.main(arguments, prog_name="perdure", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - nobody who types a command sees a traceback
        ended, line = _ended(error)
        if line:
            sys.stderr.write(f"perdure: {one_line(line, LONGEST)}\n")
    return int(ended or Exit.DONE)


def _ended(error: BaseException) -> tuple[int, str]:
    """What an error means: the exit code, and a line that says why."""
    code, line = Exit.ERROR, str(error)
    match error:
        case Ended():
            code = error.code
        case BadInput():
            code = Exit.USAGE
        case PlatformError():
            pass
        case RPCError():
            line = f"the Temporal server refused ({error.status.name.lower()}): {error.message}"
        case KeyboardInterrupt() | typer.Abort():
            code, line = Exit.INTERRUPTED, "interrupted"
        case typer.Exit():
            code, line = error.exit_code, ""
        case SystemExit():  # how the shell's completion ends
            code, line = int(error.code or 0), ""
        case BrokenPipeError():
            sys.stdout = sys.stderr = None  # whoever read has gone away, and the interpreter would say so
            line = ""
        case _ if isinstance(error, COMPLAINT):
            said = str(getattr(error, "format_message", lambda: "")()).rstrip(".")
            command = getattr(getattr(error, "ctx", None), "command_path", "perdure")
            code, line = Exit.USAGE, f"{said}: see {command} --help" if said else ""
        case _:
            line = f"this should not have happened ({type(error).__name__}): {error}"
    return code, line
