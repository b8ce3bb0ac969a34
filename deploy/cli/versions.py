"""`perdure versions`: which version of the workers begins new runs, and which still have running ones."""

import asyncio
from typing import Annotated

import typer

from perdure.cli import options
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output

COLUMNS = ("version", "status", "running", "worker last seen")

versions = typer.Typer(help="Show the versions of workers, and choose the one that begins new runs.")


@versions.callback(invoke_without_command=True)
def versions_or_show(context: typer.Context, *, as_json: options.Json = False) -> None:
    """Show the versions of workers (the same as `show`), and choose the one that begins new runs."""
    if context.invoked_subcommand is None:
        show(as_json=as_json)


@versions.command("show")
def show(*, as_json: options.Json = False) -> None:
    """Show every version, what runs on it, and when one of its workers was last seen.

    Ends with 1 where new runs or running ones have no worker.
    """
    from activities.settings import load
    from deploy.processes.rest import rested
    from deploy.versions import commands

    out, found = Output(as_json=as_json), asyncio.run(rested(commands.known(load())))
    if as_json:
        out.json({"deployment": found.deployment, **vars(found.status), "problems": found.problems})
    else:
        out.rows(COLUMNS, found.rows)
        out.say(*found.remarks)
        out.note(*found.problems)
    if found.problems:
        raise Ended(Exit.ERROR)


@versions.command("use")
def use(
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION]", help="Default: as the settings say, or this checkout's own.", show_default=False
        ),
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """Have a version begin new runs, and go on with the chains that run."""
    from activities.settings import load
    from deploy.processes.rest import rested
    from deploy.versions import commands

    build, left = asyncio.run(rested(commands.use(load(), version)))
    out = Output(as_json=as_json)
    if as_json:
        out.json({"current": build, "running_on_others": left})
        return
    out.say(f"new runs begin on {build}")
    for other, running in left.items():
        out.say(f"{running} running on {other}: keep its workers until `perdure versions` shows 0")
