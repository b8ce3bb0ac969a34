"""The commands put together, and their error handling: a line for each mistake, and an exit code."""

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Annotated

import typer
from temporalio.service import RPCError

from perdure.cli.commands import people, runs, show
from perdure.cli.commands.listing import list_runs
from perdure.cli.commands.new import new
from perdure.cli.commands.retry import retry
from perdure.cli.commands.schedule import schedule
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import one_line
from perdure.cli.session import Session
from perdure.contracts.contract import BadInput
from perdure.errors import PlatformError
from perdure.runs import client_error

TOKEN = "PERDURE_TOKEN"  # noqa: S105 - the name of the variable
"""The environment variable with the caller's token. A token is never an argument."""

LONGEST = 2000
"""The most characters of an error line."""

COMPLAINT = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The error class of typer's parser. The parser is click, or typer's own copy of it, depending on the version."""


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


def commands() -> typer.Typer:
    """Return a new command line with the commands that need only a Temporal server. A checkout adds its own."""
    app = typer.Typer(
        name="perdure",
        epilog="Exit codes: 0 done, or answered; 1 error; 2 usage; 3 abstained, refused, stuck or unfinished; "
        "4 budget exhausted; 5 cancelled; 6 a decision changed nothing; 7 the run goes on; 130 interrupted. "
        "The environment variable PERDURE_TOKEN holds the signed token of the person who starts runs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=connection,
    )
    for command in (runs.ask, runs.run, runs.watch):
        app.command(rich_help_panel="Runs")(command)
    app.command("list", rich_help_panel="Runs")(list_runs)
    for command in (show.show, runs.cancel, runs.pause, runs.resume):
        app.command(rich_help_panel="Runs")(command)
    for command in (people.inbox, people.approve, people.edit, people.deny, people.answer):
        app.command(rich_help_panel="People")(command)
    app.command(rich_help_panel="Authors")(new)
    app.command(rich_help_panel="Operators")(retry)
    app.add_typer(schedule, name="schedule", rich_help_panel="Operators")
    app.add_typer(show.history, name="history", rich_help_panel="Operators")
    return app


app = commands()


Explain = Callable[[BaseException], tuple[int, str] | None]
"""A function that returns the exit code and the line for an error; None for an error that it does not know."""


def main(arguments: Sequence[str] | None = None, *, app: typer.Typer = app, explain: Explain | None = None) -> int:
    """Run one command and return its exit code. No error shows a traceback.

    A checkout passes its own command line, and a function that explains the errors of the platform.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # do not fail on a terminal with another encoding
    try:
        command = typer.main.get_command(app)
        code = command.main(arguments, prog_name="perdure", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - a user of the command line never sees a traceback
        code, text = (explain(error) if explain else None) or _code_and_line(error)
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
            line = str(client_error(error))
        case KeyboardInterrupt() | typer.Abort():
            code, line = Exit.INTERRUPTED, "interrupted"
        case typer.Exit():
            code, line = error.exit_code, ""
        case SystemExit():  # an invalid setting, or the end of shell completion
            code, line = (1, error.code) if isinstance(error.code, str) else (int(error.code or 0), "")
            line = line.removeprefix("perdure: ")
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
