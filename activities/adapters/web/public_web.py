"""Gets pages from public addresses: every address is checked, and the connection uses the checked address."""

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

MAX_PAGE_BYTES = 1024 * 1024
"""The largest page, in bytes. Reading of a larger one is broken off."""

REDIRECTS = 5
"""The largest number of redirects that are followed."""

DEADLINE = timedelta(seconds=20)
"""The time for everything: names, connections, redirects, reading. It is shorter than the tool's own 30 seconds."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A function that returns the numeric addresses of a name. Raises `OSError` where it has none."""

_HEADERS = {
    "Accept": ", ".join(TYPES),
    "Accept-Encoding": "identity",  # a compressed page could unpack to a thousand times its size
    "User-Agent": "perdure",
}
_REDIRECTED = frozenset({301, 302, 303, 307, 308})


class PublicWeb:
    """Pages of the public web, for use from one event loop.

    A name is resolved once for each hop, all its addresses must be public, and the connection goes to one of these
    addresses. So an answer that changes between two queries (DNS rebinding) gains nothing. No environment variable, no
    proxy, no cookie and no credential is used. TLS is verified for the name.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        deadline: timedelta = DEADLINE,
        max_bytes: int = MAX_PAGE_BYTES,
        resolve: Resolve | None = None,
        routes: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`resolve` replaces the system's resolver, `tls` the system's certificate authorities.

        `routes` replaces public addresses after they were checked; for tests, which have no public address.
        """
        self._documents = documents
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._resolve = resolve or _SystemResolver()
        self._routes = routes or {}
        self._tls = tls

    async def get(self, url: str, hosts: AllowedHosts, *, tenant: str = "") -> Page:
        """Get a page from one of the allowed hosts. Raises the errors that `tools.world.Http` names."""
        time_limit = asyncio.timeout(self._deadline.total_seconds())
        try:
            async with time_limit:
                return await self._follow_redirects(url, hosts, tenant)
        except TimeoutError:
            if time_limit.expired():
                raise Unreachable(
                    f"{_display_url(_parse_url(url))}: it took longer than {self._deadline.total_seconds():g} s: "
                    "try another page"
                ) from None
            raise

    async def _follow_redirects(self, url: str, hosts: AllowedHosts, tenant: str) -> Page:
        current = _parse_url(url)
        for _ in range(REDIRECTS + 1):
            if not allows(hosts, current):
                raise NotAllowed(
                    f"{_display_url(current)}: its host is not allowed, or not at that port: "
                    f"use {', '.join(hosts.hosts)}"
                )
            # Each hop has its own client, so that no cookie and no connection of a checked hop is used for the next.
            async with self._client() as client:
                response = await self._connect(client, current)
                try:
                    if response.status_code not in _REDIRECTED:
                        return await self._page(current, response, tenant)
                    target = _redirect_target(current, response)
                finally:
                    await response.aclose()
            if current.scheme == "https" and target.scheme != "https":
                raise NotAllowed(
                    f"{_display_url(current)}: it redirects to {_display_url(target)}, away from https: "
                    "this is not followed"
                )
            current = target
        raise ServiceRefused(
            f"{_display_url(_parse_url(url))}: it redirects more than {REDIRECTS} times: use the address it leads to"
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

    async def _connect(self, client: httpx.AsyncClient, url: AnyHttpUrl) -> httpx.Response:
        """Send the request to the first address that accepts a connection; return the response, its body unread."""
        addresses = await self._public_addresses(url)
        host_name = (url.host or "").strip("[]").rstrip(".")
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
                extensions={"sni_hostname": host_name},
            )
            try:
                return await client.send(request, stream=True)
            except httpx.ConnectError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise Unreachable(f"{_display_url(url)}: its certificate does not hold for {host_name!r}") from None
                if number == len(addresses):
                    raise Unreachable(
                        f"{_display_url(url)}: nothing answers there: check the address, or try later"
                    ) from None
            except (httpx.HTTPError, httpx.InvalidURL):
                raise Unreachable(f"{_display_url(url)}: the connection broke before an answer: try later") from None
        raise AssertionError("unreachable: every name has an address")

    async def _public_addresses(self, url: AnyHttpUrl) -> Sequence[str]:
        host = (url.host or "").strip("[]")
        try:
            addresses = list(dict.fromkeys(await self._resolve(host, url.port or 0)))
        except (OSError, UnicodeError, Overrun):
            addresses = []
        if not addresses:
            raise Unreachable(f"{_display_url(url)}: the name {host!r} has no address: check its spelling")
        # All of them are checked, since the owner of the name chooses which one is used.
        if not all(is_public(address) for address in addresses):
            raise NotAllowed(f"{_display_url(url)}: {host!r} is not a public address: only public ones are ever used")
        return addresses

    async def _page(self, url: AnyHttpUrl, response: httpx.Response, tenant: str) -> Page:
        if not response.is_success:
            raise ServiceRefused(
                f"{_display_url(url)}: it answered with status {response.status_code}: check the address"
            )
        declared = response.headers.get("Content-Length", "")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Unusable(f"{_display_url(url)}: it is compressed though nobody asked for that: use another page")
        data = bytearray()
        too_large = declared.isdecimal() and int(declared) > self._max_bytes
        try:
            async for piece in response.aiter_raw():
                data += piece
                too_large = too_large or len(data) > self._max_bytes
                if too_large:
                    break
        except httpx.HTTPError:
            raise Unreachable(
                f"{_display_url(url)}: the connection broke in the middle of the page: try later"
            ) from None
        if too_large:
            raise Unusable(f"{_display_url(url)}: it is larger than {self._max_bytes:,} bytes: use a smaller page")
        kind, text = await page_text(
            _display_url(url), response.headers.get("Content-Type", ""), bytes(data), self._documents, tenant
        )
        return Page(url=str(url), kind=kind, text=text)


class _SystemResolver:
    """The system's resolver, on threads: a name server that hangs must not block anything else."""

    def __init__(self) -> None:
        self._threads = BoundedThreads("resolve", 8)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._threads.call(
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timedelta(seconds=10)
        )
        return [str(address[0]) for *_, address in addresses]


def _parse_url(url: str) -> AnyHttpUrl:
    try:
        return read_url("url", url)
    except BadInput as error:
        raise NotAllowed(str(error)) from None


def _redirect_target(url: AnyHttpUrl, response: httpx.Response) -> AnyHttpUrl:
    location = response.headers.get("Location", "")
    try:
        return _parse_url(str(httpx.URL(str(url)).join(location)))
    except (httpx.InvalidURL, NotAllowed):
        raise NotAllowed(
            f"{_display_url(url)}: it redirects to what is no plain http or https URL: this is not followed"
        ) from None


def _authority(url: AnyHttpUrl) -> str:
    usual = {"http": 80, "https": 443}[url.scheme]
    return (url.host or "") if url.port in (None, usual) else f"{url.host}:{url.port}"


def _display_url(url: AnyHttpUrl) -> str:
    """Return a URL for a message, shortened and without its query, which may hold private data."""
    display_url = f"{url.scheme}://{_authority(url)}{url.path or '/'}"
    return display_url if len(display_url) <= 100 else f"{display_url[:97]}..."  # noqa: PLR2004 - one line
