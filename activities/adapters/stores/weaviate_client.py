"""Connects to Weaviate, and turns its errors into the port's errors: one line, without the server's own text."""

import asyncio
import logging
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import grpc
import httpx

from activities.ports import PortError, StorageFailed, StorageFull, StorageReadOnly

with warnings.catch_warnings():
    # The library imports a module that Authlib has deprecated, and then enables all warnings.
    warnings.simplefilter("ignore")
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout
    from weaviate.config import GrpcConfig, Proxies
    from weaviate.exceptions import WeaviateBaseError

if TYPE_CHECKING:
    from activities.settings import Store

# The library logs the objects that were not stored, with their texts.
logging.getLogger("weaviate-client").setLevel(logging.CRITICAL)

GRPC_PORT: Final = 50051
"""Weaviate's gRPC port, unless the settings name another."""

Client = weaviate.WeaviateAsyncClient
Reply = TypeVar("Reply")


class Vanished(Exception):
    """A class or tenant of Weaviate that a request named does not exist. It does not leave the adapter."""


_MEANINGS: Final[tuple[tuple[tuple[str, ...], type[Exception], str], ...]] = (
    (("tenant not found", "could not find class", "class not found"), Vanished, ""),
    (("read-only",), StorageReadOnly, "{server} is read-only: its disk is nearly full; make room and restart it"),
    (("no space left", "quota exceeded"), StorageFull, "the disk of {server} is full; make room and try again"),
    (
        ("unauthenticated", "unauthorized", "invalid api key", "forbidden", "permission_denied"),
        StorageFailed,
        "{server} refused the key; check PERDURE_STORE__WEAVIATE_API_KEY",
    ),
    (
        ("certificate",),
        StorageFailed,
        "the certificate of {server} is not trusted; set SSL_CERT_FILE to the file of its authority",
    ),
    (
        ("unavailable", "failed to connect", "connection to weaviate failed", "could not connect"),
        StorageFailed,
        "{server} cannot be reached; see that it runs",
    ),
)
"""The words in a message of the server or its client, in lower case, with the error and the text to raise instead."""


class WeaviateServer:
    """A server of Weaviate; it connects at its first use, and again after a broken connection."""

    def __init__(self, settings: "Store") -> None:
        """Raises `StorageFailed` where an address cannot be used."""
        self._settings = settings
        self._scheme, self._host, self._port = _address(settings.weaviate or "")
        self._grpc_host, self._grpc_port = _grpc_address(settings.weaviate_grpc, self._host)
        self._seconds = settings.timeout_seconds
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    @property
    def name(self) -> str:
        """The server's name in messages."""
        return f"Weaviate at {self._host}:{self._port}"

    async def ask(self, what: str, work: Callable[[Client], Awaitable[Reply]]) -> Reply:
        """Do idempotent work within the time of the settings; repeat it once after a broken connection.

        Raises `Vanished`, and the port's errors, whose messages begin with `what`.
        """
        try:
            async with asyncio.timeout(self._seconds):
                try:
                    return await work(await self._connected())
                except (httpx.TransportError, WeaviateBaseError) as error:
                    if not _is_broken_connection(error):
                        raise
                    return await work(await self._connected())
        except (PortError, Vanished):
            raise
        except (WeaviateBaseError, httpx.HTTPError, OSError, ValueError, TypeError, RuntimeError) as error:
            raise self.port_error(what, error) from None

    def port_error(self, what: str, error: Exception) -> Exception:
        """Return the port's error, or `Vanished`, for an error of the client or the server."""
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return StorageFailed(f"{what}: {self.name} did not answer in {self._seconds:g} s; see what it does")
        status = getattr(error, "status_code", None)
        message = " ".join(_messages(error)).lower()
        if status in (401, 403):
            message = "unauthorized"
        return self.classified_error(what, message, type(error).__name__)

    def classified_error(self, what: str, message: str, kind: str) -> Exception:
        """Return the error for a message of the server, in lower case; `kind` names it where the message is unknown."""
        for words, error, reason in _MEANINGS:
            if any(word in message for word in words):
                return error(f"{what}: {reason.format(server=self.name)}")
        return StorageFailed(f"{what}: {self.name} failed ({kind}); see its log")

    async def close(self) -> None:
        """Close the connection. The next use would open it again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                client = self._new_client()
                try:
                    await client.connect()
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    def _new_client(self) -> Client:
        secure = self._scheme == "https"
        key = self._settings.weaviate_api_key
        roots = ssl.get_default_verify_paths().cafile if secure else None
        return weaviate.use_async_with_custom(
            http_host=self._host,
            http_port=self._port,
            http_secure=secure,
            grpc_host=self._grpc_host,
            grpc_port=self._grpc_port,
            grpc_secure=secure,
            auth_credentials=None if key is None else Auth.api_key(key.get_secret_value()),
            # The checks would ask a package index for a newer version of the client.
            skip_init_checks=True,
            additional_config=AdditionalConfig(
                timeout=Timeout(init=self._seconds, query=self._seconds, insert=self._seconds),
                # httpx reads SSL_CERT_FILE only if it may read the environment.
                trust_env=secure,
                proxies=Proxies(),
                grpc_config=GrpcConfig(
                    # A server that is back is found within a second, however long it was away.
                    channel_options=[("grpc.max_reconnect_backoff_ms", 1000), ("grpc.enable_http_proxy", 0)],
                    credentials=None if roots is None else grpc.ssl_channel_credentials(Path(roots).read_bytes()),
                ),
            ),
        )


def _messages(error: BaseException | None) -> Iterator[str]:
    """Yield the messages of an error and of its causes, which say more than the client's own error."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def _is_broken_connection(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError) or "[UNAVAILABLE]" in str(error)


def _address(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port. Raises `StorageFailed` without the address, which may hold a password."""
    parts, port = _split_address(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    if (
        default_port is None
        or parts.hostname is None
        or parts.username is not None
        or parts.path.strip("/")
        or port == 0
    ):
        raise StorageFailed(
            "PERDURE_STORE__WEAVIATE cannot be used: write http://host:port or https://host:port, "
            "and the key in PERDURE_STORE__WEAVIATE_API_KEY"
        )
    return parts.scheme, parts.hostname, port or default_port


def _grpc_address(address: str | None, host: str) -> tuple[str, int]:
    if address is None:
        return host, GRPC_PORT
    parts, port = _split_address(f"//{address}")
    if parts.hostname is None or parts.username is not None or not port:
        raise StorageFailed("PERDURE_STORE__WEAVIATE_GRPC cannot be used: write host:port")
    return parts.hostname, port


def _split_address(url: str) -> tuple[SplitResult, int | None]:
    """Return the parts of an address and its port; the port is 0 where it is invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return urlsplit(""), 0
    return parts, port
