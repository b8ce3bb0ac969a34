"""The tools that read: documents and pages, as numbered or plain text of a bounded length."""

from collections.abc import Sequence
from datetime import date

import pytest

from activities.adapters.documents.files import FileDocuments
from activities.adapters.web.named_services import NamedServices
from activities.adapters.web.public_web import PublicWeb
from activities.adapters.web.tool_http import ToolHttp
from activities.settings import Tools
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedHosts, AllowedPaths
from tests.support.servers.odd_server import OddServer, page
from tools.base import Document, Extract, ToolContext
from tools.errors import NotFound
from tools.http_get import http_get
from tools.read_document import LONGEST, read_document
from tools.search_knowledge import search_knowledge


class Shelf:
    """A stub knowledge base of two documents."""

    async def search(self, query: str, limit: int) -> Sequence[Extract]:
        extracts = [Extract("leave", 2, "Leave", "Leave > Paid\nTen weeks."), Extract("tea", 1, "Tea", "Tea\nAt four.")]
        return extracts[:limit] if query != "nothing" else []

    async def read(self, document: str, version: int | None = None) -> Document:
        match document:
            case "leave":
                newer = ("leave", 2) if version == 1 else None
                return Document("leave", version or 2, "Leave", date(2026, 3, 1), "Ten weeks.", newer)
            case "long":
                return Document("long", 1, "Long", None, "0123456789" * 2_000)
            case other:
                raise NotFound(f"there is no document {other!r}: search for it first")


READER = ToolContext(tenant="acme", run="r", step="s", key="k", knowledge=Shelf())


async def test_a_search_shows_numbered_passages_with_where_they_stand() -> None:
    assert await search_knowledge.use(READER, {"query": "leave"}) == (
        "[1] leave (version 2): Leave\nLeave > Paid\nTen weeks.\n\n[2] tea (version 1): Tea\nTea\nAt four."
    )
    assert (await search_knowledge.use(READER, {"query": "leave", "passages": 1})).count("[") == 1
    assert "try other words" in await search_knowledge.use(READER, {"query": "nothing"})


async def test_a_document_comes_with_title_version_date_and_what_replaced_it() -> None:
    assert await read_document.use(READER, {"document": "leave"}) == (
        "Leave\nleave, version 2\nIn force from 2026-03-01\n\nTen weeks."
    )
    assert "Replaced: today leave, version 2, applies" in await read_document.use(
        READER, {"document": "leave", "version": 1}
    )


async def test_a_long_document_is_read_on_where_the_last_call_ended() -> None:
    first = await read_document.use(READER, {"document": "long"})
    assert first.endswith(f"[8,000 characters follow: read on with start={LONGEST}]")
    rest = await read_document.use(READER, {"document": "long", "start": LONGEST})
    assert rest.endswith("0123456789")
    assert first.count("0123456789") + rest.count("0123456789") == 2_000
    with pytest.raises(BadInput, match="start: 20001 is beyond the end"):
        await read_document.use(READER, {"document": "long", "start": 20_001})


async def test_a_grant_may_leave_documents_out() -> None:
    granted = {"document": AllowedPaths(under=("leave",))}
    assert await read_document.use(READER, {"document": "leave"}, granted)
    with pytest.raises(BadInput, match="'long' is not allowed"):
        await read_document.use(READER, {"document": "long"}, granted)


@pytest.mark.parametrize("arguments", [{"query": ""}, {"query": "x" * 501}, {"query": "x", "passages": 9}])
async def test_a_search_is_bounded(arguments: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        await search_knowledge.use(READER, arguments)


async def names(_: str, __: int) -> list[str]:
    return ["1.1.1.1"]


async def test_a_page_comes_as_text_with_its_address_from_allowed_hosts_alone() -> None:
    html = f"<html><title>Tides</title><main><p>High at noon.</p><p>{'x' * 20_000}</p></main></html>".encode()
    web = PublicWeb(FileDocuments(), resolve=names, routes={"1.1.1.1": "127.0.0.1"})
    context = ToolContext("acme", "r", "s", "k", http=ToolHttp(web, NamedServices(Tools())))
    with OddServer({"/today": page(html)}) as server:
        granted = {"url": AllowedHosts(hosts=(f"tides.example.com:{server.port}",))}
        url = f"http://tides.example.com:{server.port}/today"
        text = await http_get.use(context, {"url": url}, granted)
        with pytest.raises(BadInput, match=r"the host 'example\.com:\d+' is not allowed"):
            await http_get.use(context, {"url": url.replace("tides.", "")}, granted)
        with pytest.raises(BadInput, match="nothing is allowed for its argument 'url'"):
            await http_get.use(context, {"url": url})
    assert text.startswith(f"{url} (text/html)\n\nTides\nHigh at noon.\nxxx")
    assert text.endswith("more characters are not shown]")
    assert len(server.asked) == 1
