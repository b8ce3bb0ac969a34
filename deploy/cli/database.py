"""`perdure migrate`, `backup` and `restore`: the platform's databases."""

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli import options
from perdure.cli.output import Output

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The new folder of the backup.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the backup.", show_default=False)]


def migrate(*, as_json: options.Json = False) -> None:
    """Migrate the database of the settings to the newest revision, as every worker does when it starts."""
    from activities.settings import load
    from deploy.local.commands.migrate import migrate as run

    before, after = run(load())
    out = Output(as_json=as_json)
    if as_json:
        out.json({"before": before, "after": after})
    elif before == after:
        out.say(f"migrate: the database was up to date, at revision {after}")
    else:
        out.say(f"migrate: the database was brought from {before or 'nothing'} to revision {after}")


def backup(folder: NewFolder, *, as_json: options.Json = False) -> None:
    """Copy Temporal's database and then ours into a new folder, also while the stack runs."""
    from activities.settings import load
    from deploy.local.commands.backup import back_up

    _report(Output(as_json=as_json), back_up(load().paths.state, folder), folder)


def restore(folder: Folder, *, as_json: options.Json = False) -> None:
    """Replace both databases by those of a backup; the stack must be stopped."""
    from activities.settings import load
    from deploy.local.commands.backup import restore as put_back

    _report(Output(as_json=as_json), put_back(load().paths.state, folder), folder)


def _report(out: Output, line: str, folder: Path) -> None:
    from deploy.local.commands.backup import ORDER

    if out.as_json:
        out.json({"folder": folder, "databases": ORDER})
    else:
        out.say(line)
