"""Calls the services in the settings, and says of a failed call whether it may have happened."""

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

MAX_ANSWER_BYTES = 1024 * 1024
"""The largest answer, in bytes."""

CONNECT_SECONDS = 5.0
"""How long connecting may take, in seconds. Until then nothing is sent."""

MAX_REASON_LENGTH = 200
"""The longest part of a service's own reason that is shown, in characters."""

REFUSING_STATUSES = {
    400: "what was sent cannot be read",
    401: "the request is not authenticated",
    402: "it has to be paid for first",
    403: "the caller has no permission",
    404: "the resource does not exist",
    405: "the address does not accept this method",
    410: "the resource does not exist any more, or the request came after its end",
    411: "the request has no length, so it was not read",
    413: "it is too large to be read",
    414: "its address is too long to be read",
    415: "it is of a kind that is not read",
    422: "what it says is not acceptable",
    431: "its headers are too large to be read",
}
"""The statuses by which a service certainly says that it did nothing, with the reason: it checks each before it acts.

After any other status a write may have happened. Many services answer a successful write with a redirect. 406 is often
detected only when the answer is written. 408, 425 and 429 may come from a proxy that forwarded the request, now or at
an earlier attempt. 409 may answer the second of two requests that a proxy made of one.
"""

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "perdure"}
_PATH = re.compile(r"(?:/[A-Za-z0-9_~.-]++)++/?(?:\?[A-Za-z0-9_~.,=&-]*+)?")


class NamedServices:
    """The services in the settings, by name. Redirects are not followed; environment variables are not used."""

    def __init__(self, settings: Tools) -> None:
        self._services = {name: address.rstrip("/") for name, address in settings.services.items()}
        self._deadline = timedelta(seconds=settings.timeout_seconds)
        self._tls: ssl.SSLContext | None = None

    async def call(
        self, service: str, method: Method, path: str, body: Mapping[str, JsonValue] | None = None, *, key: str
    ) -> JsonValue:
        """Call a service and return its JSON answer. Raises the errors that `tools.world.Http` names."""
        if service not in self._services:
            service_names = ", ".join(self._services) or "none"
            raise NotAllowed(
                f"there is no service {service!r} (known: {service_names}): name it in PERDURE_TOOLS__SERVICES"
            )
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
        unknown_outcome = Unreachable if method == "GET" else NoAnswer
        deadline = asyncio.timeout(self._deadline.total_seconds())
        try:
            async with deadline:
                return await self._send(service, request, unknown_outcome)
        except TimeoutError:
            if deadline.expired():
                raise unknown_outcome(
                    f"{service}: it did not answer within {self._deadline.total_seconds():g} s"
                ) from None
            raise

    async def _send(self, service: str, request: httpx.Request, unknown_outcome: type[ToolError]) -> JsonValue:
        client = httpx.AsyncClient(verify=self._tls or True, trust_env=False, follow_redirects=False)
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        data = bytearray()
        try:
            async with client:
                response = await client.send(request, stream=True)
                try:
                    async for piece in response.aiter_raw():
                        data += piece
                        if len(data) > MAX_ANSWER_BYTES:
                            raise unknown_outcome(
                                f"{service}: it answered with more than {MAX_ANSWER_BYTES:,} bytes, which nobody reads"
                            )
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise Unreachable(f"{service}: nothing answers there, so nothing happened: try later") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise unknown_outcome(f"{service}: the connection broke before it answered") from None
        return _parsed_answer(service, response.status_code, bytes(data), unknown_outcome)


def _parsed_answer(service: str, status: int, data: bytes, unknown_outcome: type[ToolError]) -> JsonValue:
    try:
        answer = cast("JsonValue", json.loads(data)) if data else None
    except (ValueError, RecursionError):
        answer, unreadable = None, True
    else:
        unreadable = False
    if status // 100 == 2:  # noqa: PLR2004 - 2xx: it succeeded
        if unreadable:
            raise unknown_outcome(f"{service}: it answered with what is no JSON")
        return answer
    if status in REFUSING_STATUSES:
        raise ServiceRefused(f"{service}: it refused ({status}){_reason(answer)}")
    if status // 100 == 5:  # noqa: PLR2004 - 5xx
        raise unknown_outcome(f"{service}: it broke ({status}){_reason(answer)}")
    if issubclass(unknown_outcome, NoAnswer):
        raise unknown_outcome(
            f"{service}: it answered {status}, which leaves open whether it was done{_reason(answer)}"
        )
    if status // 100 == 3:  # noqa: PLR2004 - 3xx
        raise ServiceRefused(f"{service}: it redirects, which is not followed: correct PERDURE_TOOLS__SERVICES")
    raise unknown_outcome(f"{service}: it answered {status}{_reason(answer)}")


def _reason(answer: JsonValue) -> str:
    """Return the reason that a service gives as `{"error": "..."}`, in one line; empty where it gives none."""
    reason = answer.get("error") if isinstance(answer, dict) else None
    return f": {plain_line(reason, MAX_REASON_LENGTH)}" if isinstance(reason, str) else ""
