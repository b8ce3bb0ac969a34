"""Runs `python -m deploy.local`: up, demo, index, fetch, migrate, backup, restore, effects, budget, tool."""

import argparse
import signal
import sys
from pathlib import Path

from activities import settings as tree
from activities.settings import Settings
from deploy.local.weights import weights
from deploy.processes.errors import DeployError
from deploy.processes.progress import CONSOLE


def up(options: argparse.Namespace) -> None:
    """Start the embedded stack and keep it running until Ctrl-C."""
    from deploy.local.commands.up import up as run  # Temporal's libraries load only where they are needed

    run(_settings(options), model=options.model, worker=options.worker, tiers=_tiers(options))


def fetch(options: argparse.Namespace) -> None:
    """Fetch and verify files of weights."""
    settings = tree.load()
    for name in options.names or weights.needed(settings, _tiers(options)):
        print(weights.fetch(name, settings), flush=True)


def index(options: argparse.Namespace) -> None:
    """Index a folder of documents."""
    from deploy.local.commands import index

    sys.exit(index.main(options.arguments))


def demo(options: argparse.Namespace) -> None:
    """Ask the demonstration's questions, or one of your own."""
    from deploy.local.commands import demo as demonstration

    sys.exit(demonstration.main(options.question, options.tier, _settings(options), yes=options.yes))


def migrate(_: argparse.Namespace) -> None:
    """Migrate the database of the settings to the newest revision, and print both revisions."""
    from deploy.local.commands.migrate import migrate as run

    print(run(tree.load()))


def backup(options: argparse.Namespace) -> None:
    """Copy Temporal's database and then ours into a new folder, also while the stack runs."""
    from deploy.local.commands.backup import back_up

    print(back_up(tree.load().paths.state, options.folder))


def restore(options: argparse.Namespace) -> None:
    """Replace both databases by those of a backup; the stack must be stopped."""
    from deploy.local.commands.backup import restore as put_back

    print(put_back(tree.load().paths.state, options.folder))


def effects(_: argparse.Namespace) -> None:
    """Print the table of effects."""
    from deploy.local.commands.effects import table

    print(table())


def budget(options: argparse.Namespace) -> None:
    """Show the spend of a tenant's runs on one day, and the open reservations of each run."""
    from deploy.local.commands.budget import show

    print(show(tree.load(), options.tenant, options.day))


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings with the store that `--store` names. Raises `DeployError` for an unknown store."""
    match options.store:
        case None:
            return tree.load()
        case "lancedb":
            settings = tree.load()
            return settings.model_copy(update={"store": settings.store.model_copy(update={"weaviate": None})})
        case "weaviate":
            from deploy.weaviate.server import embedded

            return embedded(tree.load())
        case other:
            raise DeployError(f"there is no store {other!r}: choose lancedb or weaviate")


def _add_store_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--store", metavar="STORE", help="lancedb or weaviate: where documents are kept (default: as the settings say)"
    )


def tool(options: argparse.Namespace) -> None:
    """Call a tool by hand, with the documents, pages and services that a run would give it."""
    from deploy.local.commands import try_tool

    sys.exit(try_tool.main(options.arguments))


def _tiers(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(options.tiers or weights.DEFAULT_TIERS)


def _add_tier_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tier",
        action="append",
        dest="tiers",
        metavar="TIER",
        help=f"a tier that the model servers serve; may be given several times (default: {weights.DEFAULT_TIERS[0]})",
    )


def main() -> None:
    """Run one command. An error that the user can fix ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("up", help=up.__doc__)
    command.add_argument("--no-model", dest="model", action="store_false", help="start no model server")
    command.add_argument("--no-worker", dest="worker", action="store_false", help="start no worker: you run your own")
    _add_tier_option(command)
    _add_store_option(command)
    command.set_defaults(run=up)
    command = commands.add_parser("fetch", help=fetch.__doc__)
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="a file of the catalogue; all that the stack runs on if left out"
    )
    _add_tier_option(command)
    command.set_defaults(run=fetch)
    command = commands.add_parser("index", help=index.__doc__, add_help=False)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="FOLDER [--tenant T] [--collection C]")
    command.set_defaults(run=index)
    command = commands.add_parser("demo", help=demo.__doc__)
    command.add_argument("question", nargs="?", metavar="QUESTION")
    command.add_argument("--tier", metavar="TIER", help="the tier of models to ask (default: the chain's own)")
    command.add_argument("--yes", action="store_true", help="agree to what the agent writes without asking")
    _add_store_option(command)
    command.set_defaults(run=demo)
    command = commands.add_parser("migrate", help=migrate.__doc__)
    command.set_defaults(run=migrate)
    for name, run in (("backup", backup), ("restore", restore)):
        command = commands.add_parser(name, help=run.__doc__)
        command.add_argument("folder", type=Path, metavar="FOLDER")
        command.set_defaults(run=run)
    command = commands.add_parser("effects", help=effects.__doc__)
    command.set_defaults(run=effects)
    command = commands.add_parser("budget", help=budget.__doc__)
    command.add_argument("--tenant", default="default", metavar="TENANT", help="whose runs (default: %(default)s)")
    command.add_argument("--day", metavar="YYYY-MM-DD", help="a day of UTC (default: today)")
    command.set_defaults(run=budget)
    command = commands.add_parser("tool", help=tool.__doc__, add_help=False)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="NAME ARGUMENTS [--allow ARGUMENT=VALUE]")
    command.set_defaults(run=tool)
    options = parser.parse_args()
    try:
        # SIGTERM ends a command as Ctrl-C does: it cleans up first.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        options.run(options)
    except DeployError as error:
        sys.exit(f"perdure: {error}")
    except KeyboardInterrupt:
        CONSOLE.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
