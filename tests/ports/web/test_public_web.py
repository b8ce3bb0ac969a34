"""Pages come from public addresses only, whatever names, redirects and servers do, and every request ends.

The tests have no public address, so `routes` says where the packets for one go after it was checked.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.documents.files import FileDocuments
from activities.adapters.web.public_web import MAX_PAGE_BYTES, REDIRECTS, PublicWeb
from perdure.contracts.tool_calls.tools import AllowedHosts
from tests.support.servers.certificates import certified
from tests.support.servers.odd_server import Answer, OddServer, broken, endless, page, silent
from tests.support.waiting import until
from tools.errors import NotAllowed, ServiceRefused, ToolError, Unreachable, Unusable
from tools.world import Page

PUBLIC, OTHER = "93.184.216.34", "1.1.1.1"
HOSTS = ("docs.example.com", "*.example.org")


class Names:
    """A name server: its next answers, and the names that it was asked for."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def at(server: OddServer, *hosts: str) -> AllowedHosts:
    """Return these hosts, or the usual ones of these tests, at the server's port."""
    return AllowedHosts(hosts=tuple(f"{host}:{server.port}" for host in hosts or HOSTS))


def web(*answers: Sequence[str], **options: Any) -> PublicWeb:
    options = {"resolve": Names(*(answers or ([PUBLIC],))), "routes": {PUBLIC: "127.0.0.1"}} | options
    return PublicWeb(FileDocuments(), **options)


async def fetch(answer: Answer, path: str = "/", **options: Any) -> Page:
    with OddServer({path: answer}) as server:
        return await web(**options).get(f"http://docs.example.com:{server.port}{path}", at(server))


async def test_html_becomes_the_text_of_its_article() -> None:
    html = b"<html><title>Leave</title><nav>Home</nav><main><h1>Leave</h1><p>Ten weeks &amp; more.</p></main>"
    result = await fetch(page(html))
    assert (result.kind, result.text) == ("text/html", "Leave\nTen weeks & more.")


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", "Größe".encode(), "Größe"),
        ("text/markdown; charset=UTF-8", b"\xef\xbb\xbf# Leave", "# Leave"),
        ("text/plain; charset=iso-8859-1", "Größe".encode("latin-1"), "Größe"),
        ("text/html; charset=iso-8859-1", "<p>Größe</p>".encode("latin-1"), "page\nGröße"),
        ("application/problem+json", b'{"a": 1}', '{"a": 1}'),
    ],
)
async def test_other_text_comes_as_it_is_in_the_encoding_that_it_names(kind: str, body: bytes, text: str) -> None:
    assert (await fetch(page(body, kind))).text == text


async def test_the_request_holds_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with OddServer({"/a": page(b"x", "text/plain", Set_Cookie="s=1")}) as server:
        there = web()
        for _ in range(2):
            await there.get(f"http://docs.example.com:{server.port}/a?q=1", at(server))
    assert server.asked == [(f"docs.example.com:{server.port}", "/a?q=1")] * 2
    names = {name for headers in server.headers for name in headers}
    assert names == {"Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"}
    assert {headers["Accept-Encoding"] for headers in server.headers} == {"identity"}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "[::ffff:169.254.169.254]", "[::1]", "0x7f.1"],
)
async def test_an_address_that_is_not_public_is_refused_however_it_is_written(host: str) -> None:
    """The address is refused even where a grant allows it: the system resolves it, and nothing is sent."""
    with OddServer({"/": page(b"secret", "text/plain")}) as server:
        allowed = at(server, "127.0.0.1", "169.254.169.254", "[::ffff:a9fe:a9fe]", "[::1]")
        with pytest.raises(NotAllowed, match="only public ones are ever used"):
            await PublicWeb(FileDocuments()).get(f"http://{host}:{server.port}/", allowed)
    assert server.asked == []


async def test_a_name_of_this_machine_is_refused_by_its_address() -> None:
    with OddServer({"/": page(b"secret", "text/plain")}) as server, pytest.raises(NotAllowed, match="not a public"):
        await PublicWeb(FileDocuments()).get(f"http://localhost:{server.port}/", at(server, "localhost"))
    assert server.asked == []


@pytest.mark.parametrize("order", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], [PUBLIC, "::1"], [PUBLIC, "10.0.0.1"]])
async def test_a_name_with_one_private_address_is_refused_for_all_of_them(order: list[str]) -> None:
    with OddServer({"/": page(b"secret", "text/plain")}) as server, pytest.raises(NotAllowed, match="not a public"):
        await web(order).get(f"http://docs.example.com:{server.port}/", at(server))
    assert server.asked == []


async def test_a_name_that_turns_private_after_it_was_checked_is_not_asked_again() -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    with OddServer({"/": page(b"the public one", "text/plain")}) as server:
        there = web(resolve=names)
        assert (await there.get(f"http://docs.example.com:{server.port}/", at(server))).text == "the public one"
        assert names.asked == ["docs.example.com"]
        with pytest.raises(NotAllowed):
            await there.get(f"http://docs.example.com:{server.port}/", at(server))
    assert len(server.asked) == 1


async def test_only_the_address_that_was_checked_is_connected_to() -> None:
    with OddServer({"/": page(b"x", "text/plain")}) as server, pytest.raises(Unreachable, match="nothing answers"):
        # The name is known to the test's table only; without a route no request may reach the server.
        await web(routes={PUBLIC: "127.0.0.2"}).get(f"http://docs.example.com:{server.port}/", at(server))
    assert server.asked == []


async def test_the_next_address_is_tried_where_one_takes_no_connection() -> None:
    with OddServer({"/": page(b"x", "text/plain")}) as server:
        there = web([OTHER, PUBLIC], routes={OTHER: "127.0.0.2", PUBLIC: "127.0.0.1"})
        assert (await there.get(f"http://docs.example.com:{server.port}/", at(server))).text == "x"


def to(target: str, status: int = 302) -> Answer:
    return page(b"", status=status, Location=target)


async def test_a_redirect_among_allowed_hosts_is_followed() -> None:
    with OddServer({"/": to("/b", 301), "/b": to("//x.example.org:PORT/c", 307), "/c": page(b"x")}) as server:
        server.answers["/b"] = to(f"//x.example.org:{server.port}/c", 307)
        there = await web().get(f"http://docs.example.com:{server.port}/", at(server))
    assert (there.text, there.url) == ("page\nx", f"http://x.example.org:{server.port}/c")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.1:PORT/secret", "its host is not allowed"),
        ("http://example.com:PORT/secret", "its host is not allowed"),
        ("http://2130706433:PORT/secret", "its host is not allowed"),
        ("file:///etc/passwd", "redirects to what is no plain http or https URL"),
        ("http://user:word@docs.example.com:PORT/secret", "redirects to what is no plain http or https URL"),
        ("http://[", "redirects to what is no plain http or https URL"),
        ("http://inner.example.org:PORT/secret", "is not a public address"),
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(target: str, reason: str) -> None:
    async def names(host: str, _: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "inner.example.org" else [PUBLIC]

    with OddServer({"/secret": page(b"secret", "text/plain")}) as server:
        server.answers["/"] = to(target.replace("PORT", str(server.port)))
        with pytest.raises(NotAllowed, match=reason) as refusal:
            await web(resolve=names).get(f"http://docs.example.com:{server.port}/", at(server))
    assert [path for _, path in server.asked] == ["/"]
    assert "word" not in str(refusal.value)


async def test_a_redirect_to_loopback_is_refused_even_where_its_host_is_allowed() -> None:
    async def names(host: str, _: int) -> Sequence[str]:
        return [PUBLIC] if host == "docs.example.com" else [host]

    with OddServer({"/secret": page(b"secret", "text/plain")}) as server:
        server.answers["/"] = to(f"http://127.0.0.1:{server.port}/secret")
        with pytest.raises(NotAllowed, match="is not a public address"):
            await web(resolve=names).get(
                f"http://docs.example.com:{server.port}/", at(server, "docs.example.com", "127.0.0.1")
            )
    assert [path for _, path in server.asked] == ["/"]


async def test_redirects_end() -> None:
    with OddServer({"/": to("/")}) as server, pytest.raises(ServiceRefused, match="redirects more than 5 times"):
        await web().get(f"http://docs.example.com:{server.port}/", at(server))
    assert len(server.asked) == REDIRECTS + 1


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (page(b"x" * (MAX_PAGE_BYTES + 1), "text/plain"), Unusable, "larger than 1,048,576 bytes"),
        (endless(), Unusable, "larger than 1,048,576 bytes"),
        (silent(), Unreachable, "it took longer than 0.5 s"),
        (silent(b"beginning"), Unreachable, "it took longer than 0.5 s"),
        (broken(), Unreachable, "broke in the middle of the page"),
        (page(b"\x89PNG\r\n", "image/png"), Unusable, "of the type 'image/png'"),
        (page(b"%PDF-1.7", "application/pdf"), Unusable, "of the type 'application/pdf'"),
        (page(b"x", ""), Unusable, "of the type"),
        (page(b"\x89PNG\xff", "text/plain"), Unusable, "it is not the text in 'utf-8'"),
        (page(b"a\0b", "text/plain"), Unusable, "it is binary"),
        (page(b"x", "text/plain; charset=nonsense"), Unusable, "it is said to be in 'nonsense', which is no encoding"),
        (page(b"x", "text/plain", Content_Encoding="gzip"), Unusable, "compressed though nobody asked"),
        (page(b"<p></p>"), Unusable, "no text to read in its HTML"),
        (page(b"no", "text/plain", 404), ServiceRefused, "answered with status 404"),
        (page(b"no", "text/plain", 500), ServiceRefused, "answered with status 500"),
    ],
)
async def test_a_page_that_cannot_be_used_is_one_line(answer: Answer, error: type[ToolError], reason: str) -> None:
    with pytest.raises(error, match=reason) as refusal:
        await fetch(answer, deadline=timedelta(seconds=0.5) if error is Unreachable else timedelta(seconds=20))
    assert "\n" not in str(refusal.value)
    assert not refusal.value.may_have_happened


async def test_an_endless_page_is_left_in_the_middle() -> None:
    with OddServer({"/": endless()}) as server:
        with pytest.raises(Unusable):
            await web().get(f"http://docs.example.com:{server.port}/", at(server))
        assert await asyncio.to_thread(server.gone.wait, 20)


async def test_cancelling_closes_the_connection() -> None:
    with OddServer({"/": silent(b"beginning")}) as server:
        asking = asyncio.create_task(web().get(f"http://docs.example.com:{server.port}/", at(server)))
        await until(lambda: bool(server.asked), what="it was asked")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(server.gone.wait, 20)


async def test_a_server_of_names_that_hangs_counts_against_the_deadline() -> None:
    async def names(_: str, __: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    began = time.monotonic()
    with pytest.raises(Unreachable, match="it took longer"):
        await web(resolve=names, deadline=timedelta(seconds=0.2)).get(
            "http://docs.example.com/", AllowedHosts(hosts=HOSTS)
        )
    assert time.monotonic() - began < 10


async def test_a_name_without_an_address_is_one_line() -> None:
    async def names(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable, match=r"the name 'docs\.example\.com' has no address: check its spelling"):
        await web(resolve=names).get("http://docs.example.com/", AllowedHosts(hosts=HOSTS))


@pytest.mark.parametrize("url", ["ftp://docs.example.com/", "http://u:p@docs.example.com/", "nonsense", ""])
async def test_a_url_that_is_no_plain_one_is_refused(url: str) -> None:
    with pytest.raises(NotAllowed) as refusal:
        await web().get(url, AllowedHosts(hosts=HOSTS))
    assert "u:p" not in str(refusal.value)


async def test_tls_is_verified_for_the_name_not_the_address(tmp_path: Path) -> None:
    serving, trusting = certified(tmp_path, "docs.example.com")
    with OddServer({"/": page(b"x", "text/plain")}, tls=serving) as server:
        url = f"https://docs.example.com:{server.port}/"
        assert (await web(tls=trusting).get(url, at(server))).text == "x"
        with pytest.raises(Unreachable, match=r"certificate does not hold for 'x\.example\.org'"):
            await web(tls=trusting).get(f"https://x.example.org:{server.port}/", at(server))
        with pytest.raises(Unreachable, match="certificate does not hold"):
            await web().get(url, at(server))
        server.answers["/"] = to(f"http://docs.example.com:{server.port}/")
        with pytest.raises(NotAllowed, match="away from https"):
            await web(tls=trusting).get(url, at(server))
