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
from tools.errors import NoAnswer, NotAllowed, Refused, ToolError, Unreachable
from tools.world import Method

LARGEST = 1024 * 1024
"""Bytes of an answer."""

CONNECTING = 5.0
"""Seconds in which a service has to take the connection: until then nothing was sent."""

SHOWN = 200
"""Characters of a service's own reason that are shown."""

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
    match status // 100:
        case 2 if not unreadable:
            return said
        case 2:
            raise lost(f"{service}: it answered with what is no JSON")
        case 3:
            raise Refused(f"{service}: it redirects, which is not followed: correct PERDURE_TOOLS__SERVICES")
        case 4 if status != httpx.codes.REQUEST_TIMEOUT:
            raise Refused(f"{service}: it refused ({status}){_reason(said)}")
        case _:
            raise lost(f"{service}: it broke ({status}){_reason(said)}")


def _reason(said: JsonValue) -> str:
    """A service's own words, where it says `{"error": "..."}`, in one line."""
    reason = said.get("error") if isinstance(said, dict) else None
    return f": {' '.join(reason.split())[:SHOWN]}" if isinstance(reason, str) else ""
