"""Calls the services that the operator named, and says whether a call that failed may have happened."""

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

import httpx
from pydantic import JsonValue

from activities.settings import Tools
from activities.tool_calls.results import plain_line
from tools.errors import NoAnswer, NotAllowed, ServiceRefused, ToolError, Unreachable
from tools.world import Method

LARGEST = 1024 * 1024
"""Bytes of an answer."""

CONNECTING = 5.0
"""Seconds in which a service has to take the connection: until then nothing was sent."""

SHOWN = 200
"""Characters of a service's own reason that are shown."""

NOTHING_DONE = {
    400: "what was sent cannot be read",
    401: "nobody said who asks",
    402: "it has to be paid for first",
    403: "whoever asks may not",
    404: "there is no such thing to do it to",
    405: "nothing is done there in this way",
    410: "there is no such thing any more, or the request came after it was ended",
    411: "it did not say how long it is, so it was not read",
    413: "it is too large to be read",
    414: "its address is too long to be read",
    415: "it is of a kind that is not read",
    422: "what it says is not acceptable",
    431: "its headers are too large to be read",
}
"""The statuses by which a service surely says that it did nothing, and why: each is found out before anything is done.

All others leave open what a write did. A redirect is how many services answer what they have done; 406 is often found
out only once the answer is written; 408, 425 and 429 may come from a proxy that passed the request on, or did so at an
earlier try; 409 may be the answer to the second of two that it made of one.
"""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "perdure"}
_PATH = re.compile(r"(/[A-Za-z0-9_~.-]+)+/?(\?[A-Za-z0-9_~.,=&-]*)?")


class NamedServices:
    """Services by name, from the settings. Redirects are not followed, and nothing of the environment is used."""

    def __init__(self, settings: Tools) -> None:
        self._services = {name: address.rstrip("/") for name, address in settings.services.items()}
        self._deadline = timedelta(seconds=settings.timeout_seconds)
        self._tls: ssl.SSLContext | None = None

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        """As `tools.world.Http` says."""
        if service not in self._services:
            known = ", ".join(self._services) or "none"
            raise NotAllowed(f"there is no service {service!r} (known: {known}): name it in PERDURE_TOOLS__SERVICES")
        if not _PATH.fullmatch(path) or ".." in path:
            raise NotAllowed(f"{service}: {path[:60]!r} is no plain path of a service: write /names/and/slashes")
        if not key or not key.isascii() or not key.isprintable():
            raise NotAllowed(f"{service}: a call needs a key of plain letters and digits")
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        request = httpx.Request(
            method,
            self._services[service] + path,
            json=None if body is None else dict(body),
            headers=_HEADERS | {"Idempotency-Key": key},
        )
        lost = Unreachable if method == "GET" else NoAnswer
        limit = asyncio.timeout(self._deadline.total_seconds())
        try:
            async with limit:
                return await self._called(service, request, lost)
        except TimeoutError:
            if limit.expired():
                raise lost(f"{service}: it did not answer within {self._deadline.total_seconds():g} s") from None
            raise

    async def _called(self, service: str, request: httpx.Request, lost: type[ToolError]) -> JsonValue:
        client = httpx.AsyncClient(verify=self._tls or True, trust_env=False, follow_redirects=False)
        request.extensions["timeout"] = {"connect": CONNECTING}
        data = bytearray()
        try:
            async with client:
                response = await client.send(request, stream=True)
                try:
                    async for piece in response.aiter_raw():
                        data += piece
                        if len(data) > LARGEST:
                            raise lost(f"{service}: it answered with more than {LARGEST:,} bytes, which nobody reads")
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Unreachable(f"{service}: nothing answers there, so nothing happened: try later") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise lost(f"{service}: the connection broke before it answered") from None
        return _answer(service, response.status_code, bytes(data), lost)


def _answer(service: str, status: int, data: bytes, lost: type[ToolError]) -> JsonValue:
    try:
        said = cast("JsonValue", json.loads(data)) if data else None
    except (ValueError, RecursionError):
        said, unreadable = None, True
    else:
        unreadable = False
    if status // 100 == 2:  # noqa: PLR2004 - 2xx: it did what it was asked
        if unreadable:
            raise lost(f"{service}: it answered with what is no JSON")
        return said
    if status in NOTHING_DONE:
        raise ServiceRefused(f"{service}: it refused ({status}){_reason(said)}")
    if status // 100 == 5:  # noqa: PLR2004 - 5xx
        raise lost(f"{service}: it broke ({status}){_reason(said)}")
    if issubclass(lost, NoAnswer):
        raise lost(f"{service}: it answered {status}, which leaves open whether it was done{_reason(said)}")
    if status // 100 == 3:  # noqa: PLR2004 - 3xx
        raise ServiceRefused(f"{service}: it redirects, which is not followed: correct PERDURE_TOOLS__SERVICES")
    raise lost(f"{service}: it answered {status}{_reason(said)}")


def _reason(said: JsonValue) -> str:
    """A service's own words, where it says `{"error": "..."}`, in one line."""
    reason = said.get("error") if isinstance(said, dict) else None
    return f": {plain_line(reason, SHOWN)}" if isinstance(reason, str) else ""
