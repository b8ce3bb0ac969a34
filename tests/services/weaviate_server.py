"""A Weaviate server of the tests' own: on free loopback ports, with a key, and gone afterwards."""

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.settings import Store, load
from deploy.local.errors import DeployError
from deploy.local.parts import Part
from deploy.local.ports import HOST, free_ports
from deploy.weaviate.build import obtain
from deploy.weaviate.server import Serving, part


@dataclass(frozen=True)
class Weaviate:
    """A server that runs."""

    settings: Store
    process: Part | None
    """None where it is somebody else's."""


@contextmanager
def weaviate_server(folder: Path, *, key: str | None = None, like: Serving | None = None) -> Generator[Weaviate]:
    """Start one, yield it, and stop it; where the settings name one, use that.

    Where it cannot be built the test that asked is skipped loudly, or failed where CI=true.
    """
    given = load().store
    if given.weaviate is not None and like is None and key is None:
        yield Weaviate(given, None)
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
    return Serving(program=_program(), data=folder / "data", port=port, grpc_port=grpc_port, key=key)


def store_settings(serving: Serving) -> Store:
    """The settings of a worker that uses it."""
    return Store(
        weaviate=f"http://{HOST}:{serving.port}",
        weaviate_grpc=f"{HOST}:{serving.grpc_port}",
        weaviate_api_key=SecretStr(serving.key),
    )


async def forget_everything(settings: Store) -> None:
    """Delete all that the platform keeps there: a test begins with an empty store."""
    from activities.adapters.weaviate_client import Client, WeaviateServer

    async def empty(client: Client) -> None:
        for name in await client.collections.list_all():
            if name.startswith("Perdure"):
                await client.collections.delete(name)

    server = WeaviateServer(settings)
    try:
        await server.ask("cannot empty the tests' server", empty)
    finally:
        await server.close()


def _program() -> Path:
    try:
        return obtain(load().paths.programs)
    except DeployError as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{error}; CI skips nothing", pytrace=False)
        pytest.skip(str(error))
