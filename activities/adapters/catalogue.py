"""The model catalogue: which deployments a tier may use, and where each answers."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activities.ports import NotConfigured
from perdure.contracts.contract import Name, explain
from perdure.contracts.spec import Deployment, Prices

GENERATION_QUEUE = "perdure-generation-"
"""Followed by the deployment's name: one task queue for each endpoint, so that a hung one starves no other."""


class DeploymentEntry(BaseModel):
    """One deployment, as the catalogue file describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: Name
    model: str
    """The model as its server calls it."""
    provider: str
    """LiteLLM's name for the kind of server."""
    endpoint: str
    context_window: int = Field(ge=1)
    prices: Prices
    weights: str | None = None
    """The `files` entry with the weights of an embedded deployment."""


class CatalogueFile:
    """The catalogue in a TOML file, with endpoints from the settings over its own."""

    def __init__(self, path: Path, endpoints: Mapping[str, str]) -> None:
        """Read the file. Raises `NotConfigured` with the file, the key and the reason."""
        self._path = path
        try:
            tables: dict[str, Any] = tomllib.loads(path.read_text())
            self.entries = {
                name: DeploymentEntry.model_validate(table) for name, table in tables["deployments"].items()
            }
        except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
            raise NotConfigured(f"the model catalogue {path.name} cannot be read: {error}") from None
        except ValidationError as error:
            raise NotConfigured(f"the model catalogue {path.name}: {explain(error)}") from None
        self._endpoints = endpoints

    def deployment_for(self, tier: str, excluding: Sequence[str] = ()) -> Deployment:
        serving = [name for name, entry in self.entries.items() if entry.tier == tier]
        for name in [*(name for name in serving if name not in excluding), *serving]:
            entry = self.entries[name]
            if entry.tier == tier:
                return Deployment(
                    name=name,
                    tier=tier,
                    task_queue=GENERATION_QUEUE + name,
                    context_window=entry.context_window,
                    prices=entry.prices,
                )
        tiers = ", ".join(sorted({entry.tier for entry in self.entries.values()}))
        raise NotConfigured(f"no deployment serves the tier {tier!r}: the tiers in {self._path.name} are {tiers}")

    def entry(self, deployment: str) -> DeploymentEntry:
        """The deployment's entry, with its endpoint as it is now. Raises `NotConfigured`."""
        entry = self.entries.get(deployment)
        if entry is None:
            known = ", ".join(self.entries)
            raise NotConfigured(f"there is no deployment {deployment!r}: {self._path.name} has {known}")
        endpoint = self._endpoints.get(deployment, entry.endpoint)
        return entry.model_copy(update={"endpoint": endpoint})
