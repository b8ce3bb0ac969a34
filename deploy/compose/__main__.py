"""Runs `python -m deploy.compose secrets | register`: both prepare the production stack before its workers start."""

import argparse
import asyncio
import sys
from pathlib import Path

from deploy.compose.register import register
from deploy.compose.secret_files import FOLDER, make_secrets
from deploy.processes.errors import DeployError
from deploy.processes.rest import rested


def main() -> None:
    """Run one command. An error that the user can fix ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compose", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command", metavar="command")
    command = commands.add_parser("secrets", help="make the secret files that are missing; none is ever replaced")
    command.add_argument("--folder", type=Path, default=FOLDER, help="where (default: beside the compose file)")
    commands.add_parser("register", help="make the namespace and the search attributes on TEMPORAL_ADDRESS's server")
    options = parser.parse_args()
    try:
        if options.command == "secrets":
            made = make_secrets(options.folder)
            print(f"{options.folder}: {', '.join(made) or 'nothing'} made, what was there kept")
        else:
            print(asyncio.run(rested(register())))
    except DeployError as error:
        sys.exit(f"perdure: {error}")


if __name__ == "__main__":
    main()
