"""Sends short queries to model servers beside the calls: the models served, the health, and requests to stop."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx

from activities.adapters.model_servers.wire_errors import unreachable_error
from activities.ports import ModelUnreachable, PortError

QUERY_SECONDS = 5.0
"""How long a server may take to answer a query."""

STOP_SECONDS = 1.0
"""How long a cancelled call waits until its server has received the request to stop."""

MAX_BYTES = 4 * 1024 * 1024
"""The largest part of an answer that is read."""


@dataclass(frozen=True)
class Answer:
    """A server's answer to a query."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the query succeeded."""
        return self.status == httpx.codes.OK

    @property
    def fields(self) -> Mapping[str, Any]:
        """The answer as a JSON object; empty where it is no object."""
        try:
            parsed: Any = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", parsed) if isinstance(parsed, dict) else {}


class ServerQueries:
    """Queries to model servers. No connection is kept: queries are rare, and another server may answer the next."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, seconds: float = QUERY_SECONDS) -> None:
        """`seconds`: how long a server may take for one answer."""
        self._tls = tls or httpx.create_ssl_context()
        self._seconds = seconds
        self._stop_requests: set[asyncio.Task[None]] = set()

    async def ask(
        self,
        deployment: str,
        url: str,
        *,
        key: str | None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Get the address, or post `body` to it. `headers` replace the usual header with the key.

        Raises `ModelUnreachable`, or `ModelUnusable` for an address that cannot be right.
        """
        headers = headers or ({} if key is None else {"Authorization": f"Bearer {key}"})
        seconds = seconds or self._seconds
        method = "GET" if body is None else "POST"
        text = bytearray()
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=None) as client,  # noqa: S113 - see above
                client.stream(method, url, headers=headers, json=body) as response,
            ):
                async for piece in response.aiter_bytes():
                    text += piece
                    if len(text) > MAX_BYTES:
                        break
                return Answer(response.status_code, text.decode(errors="replace"))
        except TimeoutError:
            raise ModelUnreachable(f"{deployment}: its server did not answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable_error(deployment, error) or ModelUnreachable(
                f"{deployment}: its server broke the connection: is it a model server?"
            ) from None

    async def stop(self, deployment: str, root: str, rid: str, key: str | None) -> None:
        """Tell SGLang to stop working on a request, without a guarantee.

        The caller waits up to `STOP_SECONDS`. The query goes on after that, also where the caller is cancelled.
        """
        task = asyncio.create_task(self._send_stop(deployment, root, rid, key))
        self._stop_requests.add(task)
        task.add_done_callback(self._stop_requests.discard)
        await asyncio.wait({task}, timeout=STOP_SECONDS)

    async def _send_stop(self, deployment: str, root: str, rid: str, key: str | None) -> None:
        with suppress(PortError):  # the call's connection is closed too, and SGLang notices that later
            await self.ask(deployment, f"{root}/abort_request", key=key, body={"rid": rid})
