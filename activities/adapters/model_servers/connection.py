"""The wire to a model server: one connection for one request, watched as the reply comes back.

LiteLLM hides what is read here: it sends a request again whose connection broke, drops events that it cannot parse,
makes up a `finish_reason` and counts tokens itself where the server reports none, and calls an aborted reply finished.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import httpx

from activities.adapters.model_servers.provider_errors import port_error, read_event, read_refusal
from activities.adapters.model_servers.stream_report import ModelReport
from activities.adapters.model_servers.wire_errors import broken, shown
from activities.ports import ModelFailed, ModelUnusable, PortError, WrongModel

CONNECT_SECONDS = 10.0
"""How long a connection may take to be made."""

ERROR_SECONDS = 5.0
"""How long an error reply may take to be read."""

ERROR_BYTES = 64 * 1024
"""How much of an error reply is read."""

STREAM, WHOLE = "text/event-stream", "application/json"


class ModelWire(httpx.AsyncBaseTransport):
    """Carries one request, and keeps what came of it: a report of the reply, or the port error that it ended in."""

    def __init__(
        self,
        deployment: str,
        provider: str,
        *,
        streams: bool,
        most_bytes: int,
        idle_seconds: float,
        answers_as: str | None,
        tls: ssl.SSLContext,
    ) -> None:
        """`most_bytes` is what a reply may have at most; beyond it the connection is closed."""
        self._deployment = deployment
        self._provider = provider
        self._expected = STREAM if streams else WHOLE
        self._most_bytes = most_bytes
        self._idle = idle_seconds
        self._answers_as = answers_as
        # No connection is kept for the next call: llama.cpp's die after a stream, others grow stale, and what a call on
        # a dead connection cost is unknown.
        self._transport = httpx.AsyncHTTPTransport(verify=tls, limits=httpx.Limits(max_keepalive_connections=0))
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._headers: Mapping[str, str] = {}
        self._sent = False
        self.report = ModelReport()
        """What the server said so far."""
        self.failure: PortError | None = None
        """What went wrong, once something did."""

    @property
    def sent(self) -> bool:
        """Whether the request left."""
        return self._sent

    @property
    def unfinished(self) -> bool:
        """Whether the server may be at work for it: it was sent, and neither refused nor answered to the end."""
        return self._sent and self.report.ended is None and not (self.failure and self.failure.free_of_charge)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; a second one fails as the first did."""
        if self._sent:
            raise self.failure or self._failed("the call was to be sent twice: it was sent once")
        self._sent = True
        request.headers["accept-encoding"] = "identity"  # what is counted is what is read
        # The whole call has a deadline of its own.
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS, "write": None, "read": None, "pool": None}
        try:
            response = await self._transport.handle_async_request(request)
        except Exception as error:  # noqa: BLE001 - whatever the transport raises is a failure of the wire
            raise self._keep(broken(self._deployment, error, answering=False)) from None
        self._response = response
        self._headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code != httpx.codes.OK:
            body = await _beginning(response)
            refusal = read_refusal(response.status_code, self._headers, body)
            raise self._keep(port_error(self._deployment, self._provider, refusal))
        self._require_type()
        self._pieces = self._watched(response)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Watched(self._pieces),
            extensions=response.extensions,
        )

    async def rest(self) -> None:
        """Hear what is still to come of the reply, which nobody else reads any more."""
        if self._pieces is not None:
            async for _ in self._pieces:
                pass

    async def aclose(self) -> None:
        """Close the connection, whatever it is in the middle of."""
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:  # also where a cancellation interrupts the line above
            await self._transport.aclose()

    async def _watched(self, response: httpx.Response) -> AsyncIterator[bytes]:
        received = 0
        pending = bytearray()
        pieces = aiter(cast("httpx.AsyncByteStream", response.stream))
        while True:
            try:
                async with asyncio.timeout(self._idle if self.report.speaking else None):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise self._failed(
                    f"the reply stopped in the middle: nothing came for {self._idle:g} s (PERDURE_MODEL__IDLE_SECONDS)"
                ) from None
            except Exception as error:  # noqa: BLE001 - whatever the transport raises is a failure of the wire
                raise self._keep(broken(self._deployment, error, answering=True)) from None
            received += len(piece)
            if received > self._most_bytes:
                raise self._failed(
                    f"the reply was cut off after {received} bytes, far more than the tokens asked for can fill: the "
                    "server does not keep to max_tokens"
                )
            pending += piece
            if self._expected == STREAM:
                *lines, rest = pending.split(b"\n")
                for line in lines:
                    self._hear_line(bytes(line))
                pending = bytearray(rest)
            yield piece
        if self._expected == STREAM:
            self._hear_line(bytes(pending))
        else:
            self._hear(bytes(pending))

    def _hear_line(self, line: bytes) -> None:
        """Read one line of a stream: only data are of interest, since events name themselves in it too."""
        data = line.strip().removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if data and data != b"[DONE]":
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        try:
            found: Any = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._failed("the reply is no JSON: is the endpoint the address of a model server?")
        event = cast("dict[str, Any]", found)
        refusal = read_event(event, self._headers, underway=self.report.speaking)
        if refusal is not None:
            raise self._keep(port_error(self._deployment, self._provider, refusal))
        try:
            self.report.hear(event)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            raise self._failed("the reply has a shape that its protocol does not know") from None
        named = self.report.model
        if self._answers_as is not None and named is not None and named != self._answers_as:
            raise self._keep(
                WrongModel(
                    f"{self._deployment}: another model answers ({shown(named)}, not {self._answers_as!r}): correct "
                    "the endpoint, or `answers_as` in the catalogue"
                )
            )

    def _require_type(self) -> None:
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._headers.get("content-encoding", "identity") != "identity":
            raise self._failed("the reply is compressed, though nobody asked for that")
        if kind == self._expected:
            return
        if kind == "text/html":
            raise self._keep(
                ModelUnusable(
                    f"{self._deployment}: its endpoint answers with a page for people ('text/html'): is the address "
                    "that of a model server, /v1 included?"
                )
            )
        raise self._failed(f"the reply is of type {kind[:60]!r} and not {self._expected!r}")

    def _failed(self, what: str) -> PortError:
        return self._keep(ModelFailed(f"{self._deployment}: {what}"))

    def _keep(self, failure: PortError) -> PortError:
        self.failure = self.failure or failure
        return self.failure


class _Watched(httpx.AsyncByteStream):
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


async def _beginning(response: httpx.Response) -> bytes:
    """As much of an error reply as is worth reading."""
    body = bytearray()
    try:
        async with asyncio.timeout(ERROR_SECONDS):
            async for piece in cast("httpx.AsyncByteStream", response.stream):
                body += piece
                if len(body) > ERROR_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass  # its status says enough
    return bytes(body)
