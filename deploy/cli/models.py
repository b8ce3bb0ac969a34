"""`perdure models`: every deployment of the catalogue, and the adapters that SGLang loads."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli import options
from perdure.cli.exits import Ended, Exit
from perdure.cli.output import Output

if TYPE_CHECKING:
    from activities.adapters.model_servers.catalogue import CatalogueFile
    from activities.adapters.model_servers.http_model_servers import HttpModelServers

COLUMNS = ("deployment", "tiers", "ready", "serves", "running", "waiting", "memory", "cache hits", "endpoint")

models = typer.Typer(help="Show the model servers of the catalogue; have SGLang load an adapter.")

Deployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="A deployment of the catalogue.")]
Adapter = Annotated[str, typer.Argument(metavar="NAME", help="The adapter's name.")]


@models.callback(invoke_without_command=True)
def models_or_status(context: typer.Context, *, as_json: options.Json = False) -> None:
    """Show the model servers of the catalogue (the same as `status`); have SGLang load an adapter."""
    if context.invoked_subcommand is None:
        status(as_json=as_json)


@models.command("status")
def status(*, as_json: options.Json = False) -> None:
    """Show every deployment: ready or why not, what it serves, how busy. Ends with 1 unless all are ready."""
    from deploy.models.table import deployments

    out, found = Output(as_json=as_json), asyncio.run(deployments(*_servers()))
    if as_json:
        out.json(found)
    else:
        out.rows(COLUMNS, (one.row for one in found))
    if not all(one.health.ready for one in found):
        raise Ended(Exit.ERROR)


@models.command("load")
def load(
    deployment: Deployment,
    adapter: Adapter,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Its folder on the server's own disk.")],
    *,
    as_json: options.Json = False,
) -> None:
    """Have SGLang load a LoRA adapter."""
    asyncio.run(_servers()[1].load_adapter(deployment, adapter, path))
    _did(Output(as_json=as_json), deployment, adapter, loaded=True)


@models.command("unload")
def unload(deployment: Deployment, adapter: Adapter, *, as_json: options.Json = False) -> None:
    """Have SGLang forget a LoRA adapter."""
    asyncio.run(_servers()[1].unload_adapter(deployment, adapter))
    _did(Output(as_json=as_json), deployment, adapter, loaded=False)


def _servers() -> "tuple[CatalogueFile, HttpModelServers]":
    from activities.adapters.model_servers.catalogue import CatalogueFile
    from activities.adapters.model_servers.http_model_servers import HttpModelServers
    from activities.settings import load as load_settings

    settings = load_settings()
    catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
    return catalogue, HttpModelServers(catalogue, api_keys=settings.model.api_keys)


def _did(out: Output, deployment: str, adapter: str, *, loaded: bool) -> None:
    if out.as_json:
        out.json({"deployment": deployment, "adapter": adapter, "loaded": loaded})
    else:
        out.say(f"{deployment} {'serves' if loaded else 'has forgotten'} the adapter {adapter!r}")
