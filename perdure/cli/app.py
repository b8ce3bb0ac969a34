"""The commands put together, and their error handling: a line for each mistake, and an exit code."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer
from temporalio.service import RPCError

from perdure.cli.commands import people, runs, show
from perdure.cli.commands.new import new
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
    "PERDURE_TOKEN holds the signed token of the person who starts runs.",
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
app.command(rich_help_panel="Authors")(new)
app.command(rich_help_panel="Operators")(retry)
app.add_typer(schedule, name="schedule", rich_help_panel="Operators")
app.add_typer(show.history, name="history", rich_help_panel="Operators")

TOKEN = "PERDURE_TOKEN"  # noqa: S105 - the name of the variable
"""The environment variable with the caller's token. A token is never an argument."""

LONGEST = 2000
"""The most characters of an error line."""

COMPLAINT = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The error class of typer's parser. The parser is click, or typer's own copy of it, depending on the version."""


@app.callback()
def connection(
    context: typer.Context,
    *,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Temporal's host:port (default: TEMPORAL_ADDRESS, or its configuration file)."),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Temporal's namespace (default: as configured).")
    ] = None,
    ui: Annotated[
        str | None,
        typer.Option(
            "--ui",
            envvar="PERDURE_UI",
            metavar="URL",
            help="The Temporal UI, for links to runs (default on this machine: port + 1000).",
        ),
    ] = None,
    token: Annotated[str | None, typer.Option("--token", envvar=TOKEN, hidden=True)] = None,
    by_role: Annotated[bool, typer.Option("--by-role", help="Start chains for workers with one role each.")] = False,
) -> None:
    """Start runs, follow them, and decide what waits for a person."""
    source = context.get_parameter_source("token")
    if source is not None and source.name == "COMMANDLINE":
        raise BadInput(f"--token: everybody on this machine can read a command line: set {TOKEN} in the environment")
    context.obj = Session(address=address, namespace=namespace, ui=ui, by_role=by_role, caller_token=token or None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. No error shows a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # do not fail on a terminal with another encoding
    try:
        command = typer.main.get_command(app)
        code = command.main(arguments, prog_name="perdure", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - a user of the command line never sees a traceback
        code, text = _code_and_line(error)
        lines = text.split("\n") if isinstance(error, BadInput) else [text]  # one line for each mistake
        sys.stderr.write("".join(f"perdure: {one_line(line, LONGEST)}\n" for line in lines if line))
    return int(code or Exit.DONE)


def _code_and_line(error: BaseException) -> tuple[int, str]:
    """Return the exit code for an error, and a line that says why."""
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
        case SystemExit():  # the end of shell completion
            code, line = int(error.code or 0), ""
        case BrokenPipeError():
            sys.stdout = sys.stderr = None  # the reader of the pipe has gone, and the interpreter would report that
            line = ""
        case _ if isinstance(error, COMPLAINT):
            complaint = str(getattr(error, "format_message", lambda: "")()).rstrip(".")
            command = getattr(getattr(error, "ctx", None), "command_path", "perdure")
            code, line = Exit.USAGE, f"{complaint}: see {command} --help" if complaint else ""
        case _:
            line = f"this should not have happened ({type(error).__name__}): {error}"
    return code, line
