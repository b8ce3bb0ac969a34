"""A Weaviate server of the tests' own: on free loopback ports, with a key, and gone afterwards."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from pydantic import SecretStr

from activities.settings import Store, load
from deploy.processes.errors import DeployError
from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from deploy.weaviate.build import obtain
from deploy.weaviate.server import Serving, part
from tests.services.programs import leave_out

if TYPE_CHECKING:
    from activities.adapters.stores.weaviate_client import Client

Reply = TypeVar("Reply")


@dataclass(frozen=True)
class Weaviate:
    """A server that runs."""

    settings: Store
    process: Process | None
    """None where it is somebody else's."""


@contextmanager
def weaviate_server(folder: Path, *, key: str | None = None, like: Serving | None = None) -> Generator[Weaviate]:
    """Start one, yield it, and stop it; where `WEAVIATE_URL` names an empty one, use that.

    The settings' own server is never used: tests delete what they find. Where none can be built the test that asked is
    skipped loudly, or failed where CI=true.
    """
    given = named()
    if given is not None and like is None and key is None:
        require_empty(given)
        yield Weaviate(given, None)
        asyncio.run(forget_everything(given))
        return
    serving = like or new_serving(folder, key or secrets.token_hex(16))
    process = part(serving, folder / "weaviate.log")
    process.begin(lambda _: None)
    try:
        yield Weaviate(store_settings(serving), process)
    finally:
        process.end()


def new_serving(folder: Path, key: str) -> Serving:
    """How to serve one that keeps its data in a folder."""
    port, grpc_port = free_ports(2)
    return Serving(program=program(), data=folder / "data", port=port, grpc_port=grpc_port, key=key)


def store_settings(serving: Serving) -> Store:
    """The settings of a worker that uses it."""
    return Store(
        weaviate=f"http://{HOST}:{serving.port}",
        weaviate_grpc=f"{HOST}:{serving.grpc_port}",
        weaviate_api_key=SecretStr(serving.key),
    )


def named() -> Store | None:
    """The server that is named for tests alone, by `WEAVIATE_URL`, `WEAVIATE_GRPC` and `WEAVIATE_API_KEY`."""
    url, key = os.environ.get("WEAVIATE_URL"), os.environ.get("WEAVIATE_API_KEY")
    if not url:
        return None
    grpc = os.environ.get("WEAVIATE_GRPC") or None
    return Store(weaviate=url, weaviate_grpc=grpc, weaviate_api_key=SecretStr(key) if key else None)


def require_empty(given: Store) -> None:
    """End the tests unless nothing of a platform is kept there."""
    if found := asyncio.run(_on(given, _kept)):
        pytest.fail(
            f"the Weaviate at {given.weaviate} holds {', '.join(found)}, which tests would delete: name an empty "
            "server by WEAVIATE_URL, or none",
            pytrace=False,
        )


async def forget_everything(settings: Store) -> None:
    """Delete all that the platform keeps there: a test begins with an empty store."""

    async def empty(client: "Client") -> None:
        for name in await _kept(client):
            await client.collections.delete(name)

    await _on(settings, empty)


async def _kept(client: "Client") -> list[str]:
    return sorted(name for name in await client.collections.list_all() if name.startswith("Perdure"))


async def _on(settings: Store, work: "Callable[[Client], Awaitable[Reply]]") -> "Reply":
    from activities.adapters.stores.weaviate_client import WeaviateServer

    server = WeaviateServer(settings)
    try:
        return await server.ask("cannot use the tests' server", work)
    finally:
        await server.close()


def program() -> Path:
    """The server's program; where it cannot be built, end the test that asked."""
    try:
        return obtain(load().paths.programs)
    except DeployError as error:
        leave_out(str(error))
