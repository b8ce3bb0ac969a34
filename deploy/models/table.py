"""Reads how every deployment of the catalogue is: whether it is ready or why not, its models, and its load."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.ports import Health, Load, ModelServers, PortError

SHOWN_MODELS = 6
"""The most models of a server that a row names."""


@dataclass(frozen=True)
class DeploymentStatus:
    """One deployment of the catalogue, as its server is now."""

    deployment: str
    tiers: tuple[str, ...]
    endpoint: str
    health: Health
    load: Load
    """Empty where it is unknown."""

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of a table: name, tiers, ready, models, running, waiting, memory, cache hits, endpoint."""
        return (
            self.deployment,
            ", ".join(self.tiers),
            "yes" if self.health.ready else f"no: {self.health.reason}",
            ", ".join(self.health.models[:SHOWN_MODELS]),
            *map(_count, (self.load.running, self.load.waiting)),
            *map(_share, (self.load.token_usage, self.load.cache_hit_rate)),
            self.endpoint,
        )


async def deployments(catalogue: CatalogueFile, servers: ModelServers) -> list[DeploymentStatus]:
    """Return the status of every deployment of the catalogue."""
    return await asyncio.gather(*(_status(catalogue, servers, name) for name in catalogue.entries))


async def _status(catalogue: CatalogueFile, servers: ModelServers, name: str) -> DeploymentStatus:
    health, load = await servers.health(name), Load()
    if health.models:  # a server that did not answer would only be waited for again
        with suppress(PortError):
            load = await servers.load(name)
    tiers = tuple(tier for tier, listed in catalogue.tiers.items() if name in listed)
    return DeploymentStatus(name, tiers, catalogue.entry(name).endpoint, health, load)


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
