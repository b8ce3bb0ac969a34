"""Provides a stack with an indexed corpus for one command: the running stack, or a new one for that time."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from activities import settings as tree
from activities.ports import PortError
from activities.settings import Settings
from deploy.local.commands.folders import reported
from deploy.local.commands.index import index_folder
from deploy.local.stack.stack import Stack, running
from deploy.local.weights.weights import DEFAULT_TIERS
from deploy.processes.errors import DeployError
from deploy.processes.state_file import Addresses
from deploy.weaviate.server import is_embedded

TENANT = "default"
COLLECTION = "handbook"
"""The collection that the sample corpus is indexed into."""


@contextmanager
def session(documents: Path, *, tier: str | None = None, settings: Settings | None = None) -> Generator[Addresses]:
    """Index a folder of documents and yield the addresses of a stack that answers from it.

    It uses the running stack of this checkout. If none runs, it starts one that serves `tier` besides the default
    tiers, and stops it at the end. Raises `DeployError`.
    """
    settings = tree.load() if settings is None else settings
    addresses = running(settings)
    if addresses is not None:
        if addresses.store != settings.store.weaviate:
            raise DeployError(
                f"the stack that is up answers from {addresses.store or 'LanceDB'}, not from "
                f"{settings.store.weaviate or 'LanceDB'}: stop it with Ctrl-C where it runs, or ask for its store"
            )
        _index(documents, settings)
        yield addresses
        return
    tiers: list[str] = [*DEFAULT_TIERS, *([tier] if tier and tier not in DEFAULT_TIERS else [])]
    own_store = is_embedded(settings)
    if not own_store:  # an unreadable document is reported before anything starts
        _index(documents, settings)
    with Stack(settings, tiers=tiers) as addresses:
        if own_store:
            _index(documents, settings)
        yield addresses


def _index(documents: Path, settings: Settings) -> None:
    try:
        indexed = asyncio.run(index_folder(documents, settings, tenant=TENANT, collection=COLLECTION))
    except PortError as error:
        raise DeployError(str(error)) from None
    for line in reported(indexed.files):
        print(line)
    print(f"{COLLECTION}: {indexed.documents} documents, {indexed.chunks} chunks", flush=True)
