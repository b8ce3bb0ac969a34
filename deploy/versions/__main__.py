"""Runs `python -m deploy.versions [show | use [VERSION]]`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from rich.console import Console
from temporalio.client import Client
from temporalio.service import RPCError

from activities import settings as tree
from activities.adapters.temporal.worker_versions import build_id, make_current, versions
from activities.settings import Settings
from deploy.processes.errors import DeployError
from deploy.processes.rest import rested
from deploy.processes.temporal_config import temporal_config
from deploy.versions.table import table


async def show(settings: Settings) -> bool:
    """Print every version; return whether new runs and running ones all have workers."""
    deployment = _deployment(settings)
    status = await versions(await _connect(settings), deployment)
    if status is None:
        raise DeployError(
            f"no worker of {deployment!r} was ever seen: start one with PERDURE_WORK__DEPLOYMENT={deployment}"
        )
    Console().print(table(deployment, status))
    if status.unversioned:
        print(f"{status.unversioned} running without a version: not begun yet, or taken by workers without one")
    if status.current is None:
        last = status.known[-1].build if status.known else "VERSION"
        print(f"no version is current, so new runs wait: `python -m deploy.versions use {last}`", file=sys.stderr)
    without_worker = [version for version in status.known if version.running and version.seen is None]
    for version in without_worker:
        print(
            f"{version.running} running on {version.build}, which has had no worker for five minutes: start one again, "
            "or move them as deploy/versions/README.md says",
            file=sys.stderr,
        )
    return status.current is not None and not without_worker


async def use(settings: Settings, build: str) -> None:
    """Make a version the current one, and print which older versions still have running runs."""
    deployment = _deployment(settings)
    client = await _connect(settings)
    try:
        await make_current(client, deployment, build)
    except RPCError as error:
        status = await versions(client, deployment)
        known = [] if status is None else [version.build for version in status.known]
        if build in known:
            remedy = f"start workers of {build} in every role that the current version has"
            raise DeployError(f"the Temporal server refused: {error.message}: {remedy}") from None
        raise DeployError(
            f"{deployment} has no version {build!r}: its workers have shown {', '.join(known) or 'none'}; start one "
            f"with PERDURE_WORK__DEPLOYMENT={deployment} PERDURE_WORK__BUILD={build} first"
        ) from None
    print(f"new runs begin on {build}")
    status = await versions(client, deployment)
    for version in () if status is None else status.known:
        if version.build != build and version.running:
            shown = f"{version.running} running on {version.build}"
            print(f"{shown}: keep its workers until `python -m deploy.versions` shows 0")


def _deployment(settings: Settings) -> str:
    """Return the name of the workers' deployment. Raises `DeployError` where the settings have none."""
    if settings.work.deployment is None:
        raise DeployError("workers have no versions: set PERDURE_WORK__DEPLOYMENT, here and for them, to perdure")
    return settings.work.deployment


async def _connect(settings: Settings) -> Client:
    """Connect to the Temporal server of the settings. Raises `DeployError`."""
    config = temporal_config()
    address = config.get("target_host") or f"127.0.0.1:{settings.embedded.temporal_port}"
    config["target_host"] = address
    try:
        return await Client.connect(**config)
    except RuntimeError:
        raise DeployError(
            f"no Temporal server at {address}: start one with `make up`, or set TEMPORAL_ADDRESS"
        ) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. An error that the user can fix ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.versions", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("show", help="every version, what runs on it, and when one of its workers was last seen")
    use_command = commands.add_parser("use", help="have a version begin new runs, and go on with the chains that run")
    use_command.add_argument(
        "version", nargs="?", metavar="VERSION", help="default: as the settings say, or this checkout's own"
    )
    options = parser.parse_args(arguments)
    settings = tree.load()
    try:
        if options.command == "use":
            asyncio.run(rested(use(settings, options.version or settings.work.build or build_id())))
        elif not asyncio.run(rested(show(settings))):
            sys.exit(1)
    except DeployError as error:
        sys.exit(f"perdure: {error}")
    except RPCError as error:
        sys.exit(f"perdure: the Temporal server refused: {error.message}")
    except TimeoutError:
        sys.exit(
            "perdure: the Temporal server has not told every queue yet: look again with `python -m deploy.versions`"
        )


if __name__ == "__main__":
    main()
