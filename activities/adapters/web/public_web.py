"""Gets pages from public addresses: every address is checked, and the one that was checked is the one connected to."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import httpx
from pydantic import AnyHttpUrl

from activities.adapters.bounded_threads import BoundedThreads, Overrun
from activities.adapters.web.page_text import TYPES, page_text
from activities.adapters.web.public_address import is_public
from activities.ports import Documents
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedHosts
from tools.constraints import allows, read_url
from tools.errors import NotAllowed, ServiceRefused, Unreachable, Unusable
from tools.world import Page

LARGEST = 1024 * 1024
"""Bytes of a page. A larger one is left in the middle of reading."""

REDIRECTS = 5
"""How many are followed."""

DEADLINE = timedelta(seconds=20)
"""For all of it: names, connections, redirects, reading. It ends before the tool's own 30 seconds do."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The numeric addresses of a name. Raises `OSError` where it has none."""

_HEADERS = {
    "Accept": ", ".join(TYPES),
    "Accept-Encoding": "identity",  # what is compressed could be a thousand times as large as it looks
    "User-Agent": "perdure",
}
_REDIRECTED = frozenset({301, 302, 303, 307, 308})


class PublicWeb:
    """Pages of the public web, for use from one event loop.

    A name is looked up once for each hop, all its addresses have to be public, and the connection is made to one of
    those very addresses: an answer that changes from one look to the next (DNS rebinding) is never asked for twice.
    Nothing of the environment is used, no proxy, no cookie, no credential. TLS is verified for the name.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        deadline: timedelta = DEADLINE,
        largest: int = LARGEST,
        resolve: Resolve | None = None,
        routes: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`resolve`: another source of addresses than the system's. `tls`: other authorities than the usual ones.

        `routes`: where the packets for a public address go, once it was checked; for tests, which have no public one.
        """
        self._documents = documents
        self._deadline = deadline
        self._largest = largest
        self._resolve = resolve or _System()
        self._routes = routes or {}
        self._tls = tls

    async def get(self, url: str, hosts: AllowedHosts) -> Page:
        """As `tools.world.Http` says."""
        limit = asyncio.timeout(self._deadline.total_seconds())
        try:
            async with limit:
                return await self._followed(url, hosts)
        except TimeoutError:
            if limit.expired():
                raise Unreachable(
                    f"{_shown(_read(url))}: it took longer than {self._deadline.total_seconds():g} s: try another page"
                ) from None
            raise

    async def _followed(self, url: str, hosts: AllowedHosts) -> Page:
        here = _read(url)
        for _ in range(REDIRECTS + 1):
            if not allows(hosts, here):
                raise NotAllowed(
                    f"{_shown(here)}: its host is not allowed, or not at that port: use {', '.join(hosts.hosts)}"
                )
            # A client for each hop: no cookie and no connection outlives what was checked.
            async with self._client() as client:
                response = await self._asked(client, here)
                try:
                    if response.status_code not in _REDIRECTED:
                        return await self._page(here, response)
                    there = _there(here, response)
                finally:
                    await response.aclose()
            if here.scheme == "https" and there.scheme != "https":
                raise NotAllowed(
                    f"{_shown(here)}: it redirects to {_shown(there)}, away from https: this is not followed"
                )
            here = there
        raise ServiceRefused(
            f"{_shown(_read(url))}: it redirects more than {REDIRECTS} times: use the address it leads to"
        )

    def _client(self) -> httpx.AsyncClient:
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=self._deadline.total_seconds(),
            headers=_HEADERS,
        )

    async def _asked(self, client: httpx.AsyncClient, url: AnyHttpUrl) -> httpx.Response:
        """The response's head, from the first address that takes the connection."""
        addresses = await self._public_addresses(url)
        named = (url.host or "").strip("[]").rstrip(".")
        for number, address in enumerate(addresses, 1):
            request = client.build_request(
                "GET",
                httpx.URL(
                    scheme=url.scheme,
                    host=self._routes.get(address, address),
                    port=url.port,
                    raw_path=(url.path or "/").encode() + (f"?{url.query}".encode() if url.query else b""),
                ),
                headers={"Host": _authority(url)},
                extensions={"sni_hostname": named},
            )
            try:
                return await client.send(request, stream=True)
            except httpx.ConnectError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise Unreachable(f"{_shown(url)}: its certificate does not hold for {named!r}") from None
                if number == len(addresses):
                    raise Unreachable(
                        f"{_shown(url)}: nothing answers there: check the address, or try later"
                    ) from None
            except (httpx.HTTPError, httpx.InvalidURL):
                raise Unreachable(f"{_shown(url)}: the connection broke before an answer: try later") from None
        raise AssertionError("unreachable: every name has an address")

    async def _public_addresses(self, url: AnyHttpUrl) -> Sequence[str]:
        host = (url.host or "").strip("[]")
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, url.port or 0)))
        except (OSError, UnicodeError, Overrun):
            addresses = []
        if not addresses:
            raise Unreachable(f"{_shown(url)}: the name {host!r} has no address: check its spelling")
        # All of them, since whoever owns the name chooses which of them is used.
        if not all(is_public(address) for address in addresses):
            raise NotAllowed(f"{_shown(url)}: {host!r} is not a public address: only public ones are ever used")
        return addresses

    async def _page(self, url: AnyHttpUrl, response: httpx.Response) -> Page:
        if not response.is_success:
            raise ServiceRefused(f"{_shown(url)}: it answered with status {response.status_code}: check the address")
        declared = response.headers.get("Content-Length", "")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Unusable(f"{_shown(url)}: it is compressed though nobody asked for that: use another page")
        data = bytearray()
        too_large = declared.isdecimal() and int(declared) > self._largest
        try:
            async for piece in response.aiter_raw():
                data += piece
                too_large = too_large or len(data) > self._largest
                if too_large:
                    break
        except httpx.HTTPError:
            raise Unreachable(f"{_shown(url)}: the connection broke in the middle of the page: try later") from None
        if too_large:
            raise Unusable(f"{_shown(url)}: it is larger than {self._largest:,} bytes: use a smaller page")
        kind, text = await page_text(
            _shown(url), response.headers.get("Content-Type", ""), bytes(data), self._documents
        )
        return Page(url=str(url), kind=kind, text=text)


class _System:
    """The system's own resolver, on threads: a server of names that hangs must not hold up everything else."""

    def __init__(self) -> None:
        self._threads = BoundedThreads("resolve", 8)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await self._threads.call(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timedelta(seconds=10)
        )
        return [str(address[0]) for *_, address in found]


def _read(url: str) -> AnyHttpUrl:
    try:
        return read_url("url", url)
    except BadInput as error:
        raise NotAllowed(str(error)) from None


def _there(here: AnyHttpUrl, response: httpx.Response) -> AnyHttpUrl:
    target = response.headers.get("Location", "")
    try:
        return _read(str(httpx.URL(str(here)).join(target)))
    except (httpx.InvalidURL, NotAllowed):
        raise NotAllowed(
            f"{_shown(here)}: it redirects to what is no plain http or https URL: this is not followed"
        ) from None


def _authority(url: AnyHttpUrl) -> str:
    usual = {"http": 80, "https": 443}[url.scheme]
    return (url.host or "") if url.port in (None, usual) else f"{url.host}:{url.port}"


def _shown(url: AnyHttpUrl) -> str:
    """Without its query, which may hold what is nobody's business."""
    shown = f"{url.scheme}://{_authority(url)}{url.path or '/'}"
    return shown if len(shown) <= 100 else f"{shown[:97]}..."  # noqa: PLR2004 - one line
