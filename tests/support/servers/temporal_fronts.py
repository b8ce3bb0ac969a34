"""Fronts before a plain Temporal server, as production has: one speaks TLS, one checks API keys and their rights."""

import ssl
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import grpc  # pyright: ignore[reportMissingTypeStubs] - it ships none

from deploy.processes.ports import HOST
from tests.support.servers.certificates import Authority
from tests.support.servers.tls_front import passing_on, serving_tls

UNAUTHORIZED = "Request unauthorized."
"""What Temporal's own server and Temporal Cloud say, whatever the reason."""


def server_context(authority: Authority, name: str = "server", *, clients: Authority | None = None) -> ssl.SSLContext:
    """Return a server's context with a certificate for 127.0.0.1; with `clients` it wants one that they signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign(name))
    context.set_alpn_protocols(["h2"])
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(clients.file))
    return context


@asynccontextmanager
async def temporal_tls_front(port: int, context: ssl.SSLContext) -> AsyncGenerator[int]:
    """Pass TLS connections on to a port; yields the port to connect to."""
    async with serving_tls(passing_on(port), context) as front:
        yield front


class _Keys(grpc.GenericRpcHandler):  # pyright: ignore[reportUntypedBaseClass]
    """Passes a call on where its key has the right to its namespace."""

    def __init__(self, target: str, keys: Mapping[str, str]) -> None:
        self._channel: Any = grpc.insecure_channel(target)
        self._keys = keys

    def service(self, handler_call_details: Any) -> Any:
        metadata = {name: value for name, value in handler_call_details.invocation_metadata if isinstance(value, str)}
        method: str = handler_call_details.method
        passed: Callable[..., Any] = self._channel.unary_unary(method)

        def answer(request: bytes, context: Any) -> Any:
            key = metadata.get("authorization", "").removeprefix("Bearer ")
            if key not in self._keys:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, UNAUTHORIZED)
            if metadata.get("temporal-namespace", self._keys[key]) != self._keys[key]:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, UNAUTHORIZED)
            try:
                return passed(request, timeout=60)
            except grpc.RpcError as error:
                failed: Any = error
                context.abort(failed.code(), failed.details())

        handler: Any = cast("Any", grpc).unary_unary_rpc_method_handler(answer)
        return handler


@contextmanager
def key_front(target: str, keys: Mapping[str, str]) -> Generator[int]:
    """Check the API key of each call to a server; yields the port. `keys`: the one namespace that each may use."""
    server: Any = grpc.server(futures.ThreadPoolExecutor(4), handlers=[_Keys(target, keys)])
    port: int = server.add_insecure_port(f"{HOST}:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def environment_of(address: str, ca: Path | None = None, **more: str) -> dict[str, str]:
    """Return Temporal's environment for an address, with the authority that is trusted."""
    trusted = {} if ca is None else {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(ca)}
    return {"TEMPORAL_ADDRESS": address, **trusted, **more}
