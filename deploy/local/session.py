"""A stack with an indexed corpus, for a command that needs one for a while: the one that is up, or one of its own."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from activities import settings as tree
from activities.ports import PortError
from deploy.local.corpus import index_folder
from deploy.local.errors import DeployError
from deploy.local.record import Addresses
from deploy.local.stack import Stack, running
from deploy.local.weights import DEFAULT_TIERS

TENANT = "default"
COLLECTION = "handbook"
"""Where the sample corpus is indexed."""


@contextmanager
def session(documents: Path, *, tier: str | None = None) -> Generator[Addresses]:
    """Index a folder of documents and yield the addresses of a stack that answers from it.

    Uses the stack of this checkout that is up already; otherwise starts one, which serves `tier` besides its own, and
    stops it at the end. Raises `DeployError`.
    """
    settings = tree.load()
    try:
        done = asyncio.run(index_folder(documents, settings, tenant=TENANT, collection=COLLECTION))
    except PortError as error:
        raise DeployError(str(error)) from None
    print(f"{COLLECTION}: {done.documents} documents, {done.chunks} chunks", flush=True)
    found = running(settings)
    if found is not None:
        yield found
        return
    tiers: list[str] = [*DEFAULT_TIERS, *([tier] if tier and tier not in DEFAULT_TIERS else [])]
    with Stack(settings, tiers=tiers) as addresses:
        yield addresses
