"""Checks external model servers before a stack starts, so that a wrong address is reported in one line."""

import asyncio
from collections.abc import Sequence

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.model_servers.http_model_servers import HttpModelServers
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import DeployError


class NoModel(DeployError):
    """No model server of a tier can be used."""


def require(settings: Settings, tiers: Sequence[str]) -> None:
    """Raise `NoModel` where all deployments of a tier are SGLang's and none of them is ready."""
    try:
        catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
        servers = HttpModelServers(catalogue, api_keys=settings.model.api_keys)
        for tier in tiers:
            names = catalogue.tiers.get(tier, ())
            if not names or any(catalogue.entries[name].provider != "sglang" for name in names):
                continue
            healths = [asyncio.run(servers.health(name)) for name in names]
            if not any(health.ready for health in healths):
                where = catalogue.entry(names[0]).endpoint
                raise NoModel(f"the model server at {where} cannot be used for the tier {tier!r}: {healths[0].reason}")
    except PortError as error:
        raise NoModel(str(error)) from None
