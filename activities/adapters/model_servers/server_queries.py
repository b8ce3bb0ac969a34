"""Short questions to a model server beside its calls: what it serves, how it is, and that it should stop."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx

from activities.adapters.model_servers.wire_errors import not_reached
from activities.ports import ModelUnreachable, PortError

QUERY_SECONDS = 5.0
"""How long a server may take to answer such a question."""

STOP_SECONDS = 1.0
"""How long a cancelled call waits for its server to hear that it should stop."""

MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return self.status == httpx.codes.OK

    @property
    def fields(self) -> Mapping[str, Any]:
        """The answer as a JSON object; empty where it is none."""
        try:
            found: Any = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


class ServerQueries:
    """Asks model servers. No connection is kept: a server is asked seldom, and may be another the next time."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, seconds: float = QUERY_SECONDS) -> None:
        """`seconds` are what a server has for one answer."""
        self._tls = tls or httpx.create_ssl_context()
        self._seconds = seconds
        self._stopping: set[asyncio.Task[None]] = set()

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
        """Get what is at the address, or post a body to it; `headers` come in the place of the usual key's.

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
                    if len(text) > MOST_BYTES:
                        break
                return Answer(response.status_code, text.decode(errors="replace"))
        except TimeoutError:
            raise ModelUnreachable(f"{deployment}: its server did not answer within {seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise not_reached(deployment, error) or ModelUnreachable(
                f"{deployment}: its server broke the connection: is it a model server?"
            ) from None

    async def stop(self, deployment: str, root: str, rid: str, key: str | None) -> None:
        """Tell SGLang to stop working on a request, at best.

        It goes on where the caller is cancelled meanwhile, as long as any question; the caller waits `STOP_SECONDS`.
        """
        task = asyncio.create_task(self._stop(deployment, root, rid, key))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        await asyncio.wait({task}, timeout=STOP_SECONDS)

    async def _stop(self, deployment: str, root: str, rid: str, key: str | None) -> None:
        with suppress(PortError):  # its connection is closed too, which SGLang notices later
            await self.ask(deployment, f"{root}/abort_request", key=key, body={"rid": rid})
