"""The commands of `python -m deploy.local`: up, demo, index, fetch, migrate, backup, restore, effects, budget, tool."""

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
    """Start the embedded stack and keep it until Ctrl-C."""
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
    """Bring the database that the settings name up to date, and say what was done."""
    from deploy.local.commands.migrate import migrate as run

    print(run(tree.load()))


def backup(options: argparse.Namespace) -> None:
    """Copy Temporal's database and then ours into a new folder, also while the stack runs."""
    from deploy.local.commands.backup import back_up

    print(back_up(tree.load().paths.state, options.folder))


def restore(options: argparse.Namespace) -> None:
    """Put both databases of a backup in place of the present ones, once the stack is stopped."""
    from deploy.local.commands.backup import restore as put_back

    print(put_back(tree.load().paths.state, options.folder))


def effects(_: argparse.Namespace) -> None:
    """Print the table of effects."""
    from deploy.local.commands.effects import table

    print(table())


def budget(options: argparse.Namespace) -> None:
    """Show what a tenant's runs have spent on a day, what is reserved, and by which runs."""
    from deploy.local.commands.budget import show

    print(show(tree.load(), options.tenant, options.day))


def _settings(options: argparse.Namespace) -> Settings:
    """The settings, with the store that was asked for. Raises `DeployError` for one that there is not."""
    match options.store:
        case None:
            return tree.load()
        case "lancedb":
            found = tree.load()
            return found.model_copy(update={"store": found.store.model_copy(update={"weaviate": None})})
        case "weaviate":
            from deploy.weaviate.server import embedded

            return embedded(tree.load())
        case other:
            raise DeployError(f"there is no store {other!r}: choose lancedb or weaviate")


def _take_store(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--store", metavar="STORE", help="lancedb or weaviate: where documents are kept (default: as the settings say)"
    )


def tool(options: argparse.Namespace) -> None:
    """Try a tool by hand, on the documents, pages and services that it would get."""
    from deploy.local.commands import try_tool

    sys.exit(try_tool.main(options.arguments))


def _tiers(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(options.tiers or weights.DEFAULT_TIERS)


def _take_tiers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tier",
        action="append",
        dest="tiers",
        metavar="TIER",
        help=f"a tier that the model servers serve; may be given several times (default: {weights.DEFAULT_TIERS[0]})",
    )


def main() -> None:
    """Run one command; what a user can mend ends with one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("up", help=up.__doc__)
    one.add_argument("--no-model", dest="model", action="store_false", help="start no model server")
    one.add_argument("--no-worker", dest="worker", action="store_false", help="start no worker: you run your own")
    _take_tiers(one)
    _take_store(one)
    one.set_defaults(run=up)
    one = commands.add_parser("fetch", help=fetch.__doc__)
    one.add_argument(
        "names", nargs="*", metavar="NAME", help="a file of the catalogue; all that the stack runs on if left out"
    )
    _take_tiers(one)
    one.set_defaults(run=fetch)
    one = commands.add_parser("index", help=index.__doc__, add_help=False)
    one.add_argument("arguments", nargs=argparse.REMAINDER, metavar="FOLDER [--tenant T] [--collection C]")
    one.set_defaults(run=index)
    one = commands.add_parser("demo", help=demo.__doc__)
    one.add_argument("question", nargs="?", metavar="QUESTION")
    one.add_argument("--tier", metavar="TIER", help="the tier of models to ask (default: the chain's own)")
    one.add_argument("--yes", action="store_true", help="agree to what the agent writes without asking")
    _take_store(one)
    one.set_defaults(run=demo)
    one = commands.add_parser("migrate", help=migrate.__doc__)
    one.set_defaults(run=migrate)
    for name, run in (("backup", backup), ("restore", restore)):
        one = commands.add_parser(name, help=run.__doc__)
        one.add_argument("folder", type=Path, metavar="FOLDER")
        one.set_defaults(run=run)
    one = commands.add_parser("effects", help=effects.__doc__)
    one.set_defaults(run=effects)
    one = commands.add_parser("budget", help=budget.__doc__)
    one.add_argument("--tenant", default="default", metavar="TENANT", help="whose runs (default: %(default)s)")
    one.add_argument("--day", metavar="YYYY-MM-DD", help="a day of UTC (default: today)")
    one.set_defaults(run=budget)
    one = commands.add_parser("tool", help=tool.__doc__, add_help=False)
    one.add_argument("arguments", nargs=argparse.REMAINDER, metavar="NAME ARGUMENTS [--allow ARGUMENT=VALUE]")
    one.set_defaults(run=tool)
    options = parser.parse_args()
    try:
        # A command that is told to end cleans up as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        options.run(options)
    except DeployError as error:
        sys.exit(f"perdure: {error}")
    except KeyboardInterrupt:
        CONSOLE.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
