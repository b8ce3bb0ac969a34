"""Sends one request to a model server over one connection, and checks the reply as it arrives.

LiteLLM sends the request, and what it reads of the reply is not used. It would hide errors that are detected here: it
sends a request again after a broken connection, drops events that it cannot parse, invents a `finish_reason` and token
counts where the server reports none, and treats an aborted reply as finished.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import cast

import httpx

from activities.adapters.model_replies.reader import ErrorReply, Heard, NotReadable, ReplyReader
from activities.adapters.model_servers.provider_errors import port_error, read_error_reply, read_refusal
from activities.adapters.model_servers.wire_errors import connection_error, display_name
from activities.ports import ModelFailed, ModelUnusable, PortError, WrongModel

CONNECT_SECONDS = 10.0
"""How long connecting may take."""

ERROR_SECONDS = 5.0
"""How long reading an error reply may take."""

LINGER_SECONDS = 0.2
"""How long a server may take to close the connection after its last event, before it is closed here."""

ERROR_BYTES = 64 * 1024
"""The largest part of an error reply that is read."""

STREAM, WHOLE = "text/event-stream", "application/json"


class ModelWire(httpx.AsyncBaseTransport):
    """A transport for one request. It reads the reply, or keeps the port error in which the request ended."""

    def __init__(
        self,
        deployment: str,
        provider: str,
        *,
        streams: bool,
        max_bytes: int,
        idle_seconds: float,
        answers_as: str | None,
        tls: ssl.SSLContext,
    ) -> None:
        """`max_bytes`: the largest reply; the connection is closed when a reply is larger."""
        self._deployment = deployment
        self._provider = provider
        self._expected = STREAM if streams else WHOLE
        self._max_bytes = max_bytes
        self._idle = idle_seconds
        self._answers_as = answers_as
        # No connection is kept for the next call: llama.cpp closes its own after a stream, others become stale, and the
        # cost of a call on a dead connection is unknown.
        self._transport = httpx.AsyncHTTPTransport(verify=tls, limits=httpx.Limits(max_keepalive_connections=0))
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._headers: Mapping[str, str] = {}
        self._sent = False
        self._unheard: list[Heard] = []
        self.reply = ReplyReader(streams=streams)
        """The reply so far."""
        self.failure: PortError | None = None
        """The error of the request; None while there is none."""

    @property
    def sent(self) -> bool:
        """Whether the request was sent."""
        return self._sent

    @property
    def answered(self) -> bool:
        """Whether the server has begun a reply that can be read."""
        return self._pieces is not None and self.failure is None

    @property
    def unfinished(self) -> bool:
        """Whether the server may still work on the request: it was sent, and neither refused nor fully answered."""
        return self._sent and self.reply.ended is None and not (self.failure and self.failure.free_of_charge)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request. A second request fails: with the error of the first one, if it had one."""
        if self._sent:
            raise self.failure or self._failed("the call was to be sent twice: it was sent once")
        self._sent = True
        request.headers["accept-encoding"] = "identity"  # so that the counted bytes are the bytes of the text
        # The whole call has a deadline of its own.
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS, "write": None, "read": None, "pool": None}
        try:
            response = await self._transport.handle_async_request(request)
        except Exception as error:  # noqa: BLE001 - whatever the transport raises is a failure of the wire
            raise self._record_failure(connection_error(self._deployment, error, reply_started=False)) from None
        self._response = response
        self._headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code != httpx.codes.OK:
            body = await _read_error_body(response)
            refusal = read_refusal(response.status_code, self._headers, body)
            raise self._record_failure(port_error(self._deployment, self._provider, refusal))
        self._require_type()
        self._pieces = self._watched_pieces(response)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_PieceStream(self._pieces),
            extensions=response.extensions,
        )

    async def heard(self) -> AsyncIterator[Heard]:
        """Read the reply to its end, and yield what is heard of it. Raises the port's errors."""
        pieces = self._pieces
        while pieces is not None:
            for piece in self._unheard:
                yield piece
            self._unheard.clear()
            if await anext(pieces, None) is None:
                break
        for piece in self._unheard:
            yield piece
        self._unheard.clear()

    async def aclose(self) -> None:
        """Close the connection at once, also in the middle of a reply."""
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:  # also where a cancellation interrupts the line above
            await self._transport.aclose()

    async def _watched_pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        received = 0
        pieces = aiter(cast("httpx.AsyncByteStream", response.stream))
        while True:
            idle = LINGER_SECONDS if self.reply.is_over else self._idle if self.reply.started else None
            try:
                async with asyncio.timeout(idle):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                break
            except TimeoutError:
                if self.reply.is_over or self.reply.ended is not None:
                    break  # some servers leave the connection open
                raise self._failed(
                    f"the reply stopped in the middle: nothing came for {self._idle:g} s (PERDURE_MODEL__IDLE_SECONDS)"
                ) from None
            except Exception as error:  # noqa: BLE001 - whatever the transport raises is a failure of the wire
                if self.reply.is_over or self.reply.ended is not None:
                    break  # the whole text is here; what is missing of the usage is charged at its worst case
                raise self._record_failure(connection_error(self._deployment, error, reply_started=True)) from None
            received += len(piece)
            if received > self._max_bytes:
                raise self._failed(
                    f"the reply was cut off after {received} bytes, far more than the tokens asked for can fill: the "
                    "server does not keep to max_tokens"
                )
            self._read(piece)
            yield piece
        self._read(None)

    def _read(self, piece: bytes | None) -> None:
        """Read the next bytes of the reply, or its end."""
        try:
            self._unheard += self.reply.end() if piece is None else self.reply.add(piece)
        except NotReadable as error:
            raise self._failed(str(error)) from None
        except ErrorReply as error:
            refusal = read_error_reply(error.report, self._headers, underway=self.reply.started)
            raise self._record_failure(port_error(self._deployment, self._provider, refusal)) from None
        model = self.reply.model
        if self._answers_as is not None and model is not None and model != self._answers_as:
            raise self._record_failure(
                WrongModel(
                    f"{self._deployment}: another model answers ({display_name(model)}, not {self._answers_as!r}): "
                    "correct the endpoint, or `answers_as` in the catalogue"
                )
            )

    def _require_type(self) -> None:
        kind = self._headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._headers.get("content-encoding", "identity") != "identity":
            raise self._failed("the reply is compressed, though nobody asked for that")
        if kind == self._expected:
            return
        if kind == "text/html":
            raise self._record_failure(
                ModelUnusable(
                    f"{self._deployment}: its endpoint answers with a page for people ('text/html'): is the address "
                    "that of a model server, /v1 included?"
                )
            )
        raise self._failed(f"the reply is of type {kind[:60]!r} and not {self._expected!r}")

    def _failed(self, what: str) -> PortError:
        return self._record_failure(ModelFailed(f"{self._deployment}: {what}"))

    def _record_failure(self, failure: PortError) -> PortError:
        self.failure = self.failure or failure
        return self.failure


class _PieceStream(httpx.AsyncByteStream):
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


async def _read_error_body(response: httpx.Response) -> bytes:
    """Return the body of an error reply, cut at `ERROR_BYTES`."""
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
