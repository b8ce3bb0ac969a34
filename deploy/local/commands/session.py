"""A stack with an indexed corpus, for a command that needs one for a while: the one that is up, or one of its own."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from activities import settings as tree
from activities.ports import PortError
from activities.settings import Settings
from deploy.local.commands.index import index_folder
from deploy.local.stack.stack import Stack, running
from deploy.local.weights.weights import DEFAULT_TIERS
from deploy.processes.errors import DeployError
from deploy.processes.state_file import Addresses
from deploy.weaviate.server import is_embedded

TENANT = "default"
COLLECTION = "handbook"
"""Where the sample corpus is indexed."""


@contextmanager
def session(documents: Path, *, tier: str | None = None, settings: Settings | None = None) -> Generator[Addresses]:
    """Index a folder of documents and yield the addresses of a stack that answers from it.

    Uses the stack of this checkout that is up already; otherwise starts one, which serves `tier` besides its own, and
    stops it at the end. Raises `DeployError`.
    """
    settings = settings or tree.load()
    found = running(settings)
    if found is not None:
        if found.store != settings.store.weaviate:
            raise DeployError(
                f"the stack that is up answers from {found.store or 'LanceDB'}, not from "
                f"{settings.store.weaviate or 'LanceDB'}: stop it with Ctrl-C where it runs, or ask for its store"
            )
        _index(documents, settings)
        yield found
        return
    tiers: list[str] = [*DEFAULT_TIERS, *([tier] if tier and tier not in DEFAULT_TIERS else [])]
    own = is_embedded(settings)
    if not own:  # a document that cannot be read is told before anything starts
        _index(documents, settings)
    with Stack(settings, tiers=tiers) as addresses:
        if own:
            _index(documents, settings)
        yield addresses


def _index(documents: Path, settings: Settings) -> None:
    try:
        done = asyncio.run(index_folder(documents, settings, tenant=TENANT, collection=COLLECTION))
    except PortError as error:
        raise DeployError(str(error)) from None
    print(f"{COLLECTION}: {done.documents} documents, {done.chunks} chunks", flush=True)
