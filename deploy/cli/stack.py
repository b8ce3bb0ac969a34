"""`perdure up`, `demo` and `fetch`: the embedded stack, its demonstration, and the weights that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli import options
from perdure.cli import options as shared
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output

if TYPE_CHECKING:
    from activities.settings import Settings


def up(
    *,
    model: Annotated[bool, typer.Option("--model/--no-model", help="Start the model servers.")] = True,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Start a worker.")] = True,
    tiers: options.Tiers = None,
    store: options.Store = None,
) -> None:
    """Start the embedded stack and a worker, and keep them running until Ctrl-C."""
    from deploy.local.commands.up import up as run
    from deploy.local.weights.weights import DEFAULT_TIERS

    run(settings_with(store), model=model, worker=worker, tiers=DEFAULT_TIERS if tiers is None else tiers)


def demo(
    question: Annotated[str | None, typer.Argument(help="A question of your own.", show_default=False)] = None,
    *,
    tier: shared.Tier = None,
    store: options.Store = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to what the agent writes without asking.")] = False,
) -> None:
    """Ask the demonstration's questions and let its agent act, or ask a question of your own."""
    from deploy.local.commands import demo as demonstration

    if demonstration.main(question, tier, settings_with(store), yes=yes):
        raise Ended(Exit.ERROR)


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Files of the catalogue (default: all that the stack runs on)."),
    ] = None,
    *,
    tiers: options.Tiers = None,
    as_json: shared.Json = False,
) -> None:
    """Fetch and verify files of weights, and print where each is."""
    from activities.settings import load
    from deploy.local.weights import weights

    out, settings = Output(as_json=as_json), load()
    served = weights.DEFAULT_TIERS if tiers is None else tuple(tiers)
    wanted = weights.needed(settings, served) if names is None else names
    files = {name: str(weights.fetch(name, settings)) for name in wanted}
    if as_json:
        out.json(files)
    for file in files.values():
        out.say(file)


def settings_with(store: str | None) -> Settings:
    """Return the settings with the store that `--store` names. Raises `BadArgument` for an unknown store."""
    from activities.settings import load
    from deploy.processes.errors import BadArgument

    match store:
        case None:
            return load()
        case "lancedb":
            settings = load()
            return settings.model_copy(update={"store": settings.store.model_copy(update={"weaviate": None})})
        case "weaviate":
            from deploy.weaviate.server import embedded

            return embedded(load())
        case other:
            raise BadArgument(f"--store: there is no store {other!r}: choose lancedb or weaviate")
