"""Makes the contexts that tools are called with: a tenant's documents, public pages, and the operator's services."""

from collections.abc import Callable
from typing import Protocol

from activities.adapters.documents.files import FileDocuments
from activities.adapters.stores.tool_knowledge import ToolKnowledge
from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from activities.adapters.web.tool_http import ToolHttp
from activities.ports import Documents, Embedder, VectorStore
from activities.settings import Settings
from tools.base import ToolContext
from tools.world import NoKnowledge


class ContextMaker(Protocol):
    """Makes the context of one call."""

    def __call__(self, *, tenant: str, run: str, step: str, key: str, collection: str | None) -> ToolContext:
        """Return the context of a call. `collection` is what its tool may search; None for no documents."""
        ...


def context_maker(
    settings: Settings,
    store: Callable[[], VectorStore],
    embedder: Callable[[], Embedder],
    documents: Documents | None = None,
) -> ContextMaker:
    """Return the maker of contexts for these settings; it opens store and embedder when a call first needs them."""
    web = PublicWeb(FileDocuments(settings.foreign_work) if documents is None else documents)
    services = NamedServices(settings.tools)

    def make(*, tenant: str, run: str, step: str, key: str, collection: str | None) -> ToolContext:
        knowledge = NoKnowledge() if collection is None else ToolKnowledge(tenant, collection, store(), embedder)
        http = ToolHttp(web, services, tenant)
        return ToolContext(tenant=tenant, run=run, step=step, key=key, knowledge=knowledge, http=http)

    return make
