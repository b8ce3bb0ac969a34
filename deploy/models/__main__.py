"""Runs `python -m deploy.models [status | load DEPLOYMENT NAME PATH | unload DEPLOYMENT NAME]`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from rich.console import Console

from activities import settings as tree
from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.ports import PortError
from deploy.models.table import table


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. An error that the user can fix ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("status", help="every deployment of the catalogue: ready or why not, what it serves, how busy")
    for name, does in (("load", "have SGLang load a LoRA adapter"), ("unload", "have SGLang forget a LoRA adapter")):
        command = commands.add_parser(name, help=does)
        command.add_argument("deployment", metavar="DEPLOYMENT")
        command.add_argument("adapter", metavar="NAME")
        if name == "load":
            command.add_argument("path", metavar="PATH", help="on the server's own disk")
    options = parser.parse_args(arguments)
    settings = tree.load()
    try:
        catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
        servers = HttpModelServers(catalogue, api_keys=settings.model.api_keys)
        match options.command:
            case "load":
                asyncio.run(servers.load_adapter(options.deployment, options.adapter, options.path))
                print(f"{options.deployment} serves the adapter {options.adapter!r}")
            case "unload":
                asyncio.run(servers.unload_adapter(options.deployment, options.adapter))
                print(f"{options.deployment} has forgotten the adapter {options.adapter!r}")
            case _:
                deployments, ready = asyncio.run(table(catalogue, servers))
                Console().print(deployments)
                sys.exit(0 if ready else 1)
    except PortError as error:
        sys.exit(f"perdure: {error}")


if __name__ == "__main__":
    main()
