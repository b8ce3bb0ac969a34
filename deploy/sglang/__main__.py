"""Runs `python -m deploy.sglang profiles | launch NAME | explain NAME | install`."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.processes.errors import DeployError
from deploy.sglang import profile
from deploy.sglang.install import install


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. An error that the user can fix ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.sglang", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("profiles", help="list the launch profiles")
    for name, does in (("launch", "print the launch line of a profile"), ("explain", "say why it has each flag")):
        commands.add_parser(name, help=does).add_argument("profile", metavar="NAME")
    commands.add_parser("install", help="install SGLang for the tests: on a CPU, in its own environment (6 GB)")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "profiles":
                for name in profile.names():
                    print(f"{name:16} {profile.read(name).about}")
            case "launch":
                print(profile.read(options.profile).line)
            case "explain":
                Console().print(_explained(profile.read(options.profile)))
            case _:
                print(install().folder)
    except DeployError as error:
        sys.exit(f"perdure: {error}")


def _explained(chosen: profile.Profile) -> Table:
    """Return the table of a profile's flags with their reasons."""
    table = Table(title=escape(f"{chosen.name}: {chosen.about}"), show_lines=True)
    for heading in ("flag", "why", "what to watch"):
        table.add_column(heading, overflow="fold")
    for flag in chosen.flags:
        table.add_row(*map(escape, (" ".join(flag.words), flag.why, flag.watch)))
    return table


if __name__ == "__main__":
    main()
