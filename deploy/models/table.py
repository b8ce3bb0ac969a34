"""Builds the table of all deployments: whether each is ready or why not, its models, and its load."""

import asyncio

from rich.markup import escape
from rich.table import Table

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.ports import Health, Load, ModelServers, PortError

HEADINGS = ("deployment", "tiers", "endpoint", "ready", "serves", "running", "waiting", "memory", "cache hits")


async def table(catalogue: CatalogueFile, servers: ModelServers) -> tuple[Table, bool]:
    """Return a table with a row for every deployment of the catalogue, and whether all are ready."""
    names = list(catalogue.entries)
    rows = await asyncio.gather(*(_row(servers, name) for name in names))
    deployments = Table(title="Deployments")
    for heading in HEADINGS:
        # A name that is broken over two lines cannot be copied.
        deployments.add_column(heading, overflow="fold", no_wrap=heading in ("deployment", "running", "waiting"))
    for name, (health, load) in zip(names, rows, strict=True):
        tiers = ", ".join(tier for tier, listed in catalogue.tiers.items() if name in listed)
        ready = "[green]yes[/green]" if health.ready else f"[red]no[/red]: {escape(health.reason)}"
        deployments.add_row(
            name,
            tiers,
            escape(catalogue.entry(name).endpoint),
            ready,
            escape(", ".join(health.models[:6])),
            *map(_count, (load.running, load.waiting)),
            *map(_share, (load.token_usage, load.cache_hit_rate)),
        )
    return deployments, all(health.ready for health, _ in rows)


async def _row(servers: ModelServers, name: str) -> tuple[Health, Load]:
    """Return the health and load of one deployment; an empty load where it is unknown."""
    health = await servers.health(name)
    try:
        # A server that did not answer would only be waited for again.
        return health, await servers.load(name) if health.models else Load()
    except PortError:
        return health, Load()


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
