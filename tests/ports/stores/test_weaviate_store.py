"""What only the store on a server promises: errors and recovery when its server is down, slow, full or killed."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from activities.adapters.stores.open import open_store
from activities.adapters.stores.weaviate_client import Client, WeaviateServer
from activities.adapters.stores.weaviate_generations import ABANDONED
from activities.adapters.stores.weaviate_store import WeaviateStore
from activities.ports import Chunk, StorageFailed, StorageReadOnly, UnknownCollection, VectorStore, WrongDimension
from activities.settings import ROOT, Settings, Store
from deploy.processes.ports import HOST, free_ports
from deploy.weaviate.server import part
from tests.ports.stores.chunks import AXIS, chunk
from tests.services.weaviate_server import Weaviate, forget_everything, new_serving, store_settings
from tests.support.faults.failing_batches import SAID, failing_batches
from tests.support.waiting import until

pytestmark = pytest.mark.weaviate


@asynccontextmanager
async def opened(
    settings: Store, *, dimensions: int = 384, abandoned: timedelta = ABANDONED
) -> AsyncGenerator[tuple[WeaviateStore, WeaviateServer]]:
    server = WeaviateServer(settings)
    try:
        yield WeaviateStore(server, dimensions=dimensions, abandoned=abandoned), server
    finally:
        await server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def empty_server(weaviate: Weaviate) -> Store:
    """Return the settings of an empty server."""
    await forget_everything(weaviate.settings)
    return weaviate.settings


def many(count: int, start: int = 0) -> list[Chunk]:
    return [chunk(number, f"H\nalpha {number}", AXIS) for number in range(start, start + count)]


async def tenants(client: Client) -> list[str]:
    """Return Weaviate's tenants of the class: the generations of all our tenants."""
    return list(await client.collections.use("Perdure384_handbook").tenants.get())


async def each_fails(store: VectorStore, error: type[Exception], match: str) -> None:
    for call in (
        store.ready(),
        store.replace("acme", "handbook", many(1)),
        store.insert("acme", "handbook", many(1)),
        store.delete_document("acme", "handbook", "handbook"),
        store.search("acme", "handbook", "alpha", AXIS, 1),
        store.editions("acme", "handbook"),
        store.count("acme", "handbook"),
        store.alias("acme", "live", "handbook"),
    ):
        began = time.monotonic()
        with pytest.raises(error, match=match) as raised:
            await call
        assert "\n" not in str(raised.value)
        assert time.monotonic() - began < 5


async def test_a_server_that_is_down_is_a_clear_error_within_its_time() -> None:
    port, grpc_port = free_ports(2)
    settings = Store(weaviate=f"http://{HOST}:{port}", weaviate_grpc=f"{HOST}:{grpc_port}", timeout_seconds=2)
    async with opened(settings) as (store, _):
        await each_fails(store, StorageFailed, rf"Weaviate at {HOST}:{port} cannot be reached; see that it runs$")


async def test_a_server_that_says_nothing_is_given_up_within_its_time() -> None:
    async def hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(hold, HOST, 0)
    port = silent.sockets[0].getsockname()[1]
    async with opened(Store(weaviate=f"http://{HOST}:{port}", timeout_seconds=0.3)) as (store, _):
        await each_fails(store, StorageFailed, r"did not answer in 0\.3 s; see what it does$")
    for writer in writers:
        writer.close()
    silent.close()


async def test_a_wrong_key_is_a_clear_error_that_does_not_show_it(empty_server: Store) -> None:
    wrong = empty_server.model_copy(update={"weaviate_api_key": SecretStr("a-wrong-key")})
    async with opened(wrong) as (store, _):
        await each_fails(store, StorageFailed, r"refused the key; check PERDURE_STORE__WEAVIATE_API_KEY$")


async def test_a_server_that_is_read_only_says_so_and_can_be_searched(empty_server: Store) -> None:
    """The test sets every shard read-only, as Weaviate does when its disk is nearly full."""

    async def make(client: Client, status: str) -> None:
        for name in await client.collections.list_all():
            config = client.collections.use(name).config
            shards = [shard.name for shard in await config.get_shards()]
            await config.update_shards(status, shards)  # pyright: ignore[reportArgumentType]  # "READY" or "READONLY"

    async with opened(empty_server) as (store, server):
        await store.ready()
        await store.replace("acme", "handbook", many(3))
        await server.ask("cannot make it read-only", lambda client: make(client, "READONLY"))
        try:
            for call in (
                store.ready(),
                store.replace("acme", "handbook", many(5)),
                store.insert("acme", "handbook", many(1)),
                store.delete_document("acme", "handbook", "handbook"),
                store.alias("acme", "live", "handbook"),
            ):
                with pytest.raises(StorageReadOnly, match=r"is read-only: its disk is nearly full; make room and"):
                    await call
            assert len(await store.search("acme", "handbook", "alpha", AXIS, 5)) == 3
        finally:
            await server.ask("cannot make it writable", lambda client: make(client, "READY"))
        await store.insert("acme", "handbook", many(1, start=3))
        assert await store.count("acme", "handbook") == 4


async def test_a_collection_of_another_embedding_model_is_not_searched(empty_server: Store) -> None:
    wide = [0.0] * 767 + [1.0]
    async with opened(empty_server) as (store, _), opened(empty_server, dimensions=768) as (wider, _):
        await store.replace("acme", "handbook", many(2))
        for call in (
            wider.search("acme", "handbook", "alpha", wide, 1),
            wider.insert("acme", "handbook", [chunk(9, "H\nalpha", wide)]),
        ):
            with pytest.raises(WrongDimension, match="has 768 dimensions, and those of the collection have 384"):
                await call
        await wider.replace("acme", "handbook", [chunk(0, "H\nwide", wide)])
        assert [hit.chunk.text for hit in await wider.search("acme", "handbook", "wide", wide, 5)] == ["H\nwide"]
        with pytest.raises(WrongDimension, match="has 384 dimensions, and those of the collection have 768"):
            await store.search("acme", "handbook", "alpha", AXIS, 1)


async def test_only_the_objects_that_failed_are_sent_again(empty_server: Store) -> None:
    async with failing_batches(empty_server.weaviate_grpc or "", {3: 1, 7: 2}) as proxy:
        through = empty_server.model_copy(update={"weaviate_grpc": f"{HOST}:{proxy.port}"})
        async with opened(through) as (store, _):
            await store.replace("acme", "handbook", many(10))
            assert await store.count("acme", "handbook") == 10
    assert [batch for batch in proxy.batches if batch != [-1]] == [list(range(10)), [3, 7], [7]]


async def test_objects_that_fail_for_good_are_counted_and_nothing_of_the_servers_words_is_told(
    empty_server: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(empty_server) as (store, _):
        await store.replace("acme", "handbook", many(2))
    async with failing_batches(empty_server.weaviate_grpc or "", {3: 99, 7: 99}) as proxy:
        through = empty_server.model_copy(update={"weaviate_grpc": f"{HOST}:{proxy.port}"})
        with caplog.at_level(logging.DEBUG):
            async with opened(through) as (store, server):
                with pytest.raises(StorageFailed) as raised:
                    await store.replace("acme", "handbook", many(10))
                assert await store.count("acme", "handbook") == 2, "the collection is as it was"
                assert len(await server.ask("cannot list", tenants)) == 1, "what the failed change had stored is gone"
                with pytest.raises(StorageFailed, match="cannot add to the collection 'handbook'"):
                    await store.insert("acme", "handbook", many(10))
    assert "2 of 10 chunks were not stored in 4 attempts (2 x deadline), 8 were; see the log of" in str(raised.value)
    assert "secret-path" not in str(raised.value) + caplog.text
    assert SAID not in caplog.text
    async with opened(empty_server) as (store, _):
        assert await store.count("acme", "handbook") == 8, "what was stored is there, and can be stored again"
        await store.insert("acme", "handbook", many(10))
        assert await store.count("acme", "handbook") == 10


async def test_a_killed_server_has_everything_and_is_found_again(tmp_path: Path) -> None:
    serving = new_serving(tmp_path, "key-of-this-test")
    log = tmp_path / "weaviate.log"
    server = part(serving, log)
    server.begin(lambda _: None)
    try:
        async with opened(store_settings(serving)) as (store, _):
            await store.replace("acme", "handbook", many(600))
            await store.insert("acme", "handbook", many(600, start=600))
            server.kill(sig=signal.SIGKILL)
            with pytest.raises(StorageFailed, match=r"cannot be reached|did not answer"):
                await store.insert("acme", "handbook", many(1))
            server = part(serving, log)
            server.begin(lambda _: None)
            assert await store.count("acme", "handbook") == 1200
            assert len(await store.search("acme", "handbook", "alpha 1100", AXIS, 40)) == 40
            await store.insert("acme", "handbook", many(1, start=1200))
            await store.replace("globex", "handbook", many(1))
            assert await store.count("acme", "handbook") == 1201
    finally:
        server.end()


KILLED = """
import asyncio, os, sys
from activities.adapters.stores import weaviate_batches
from activities.adapters.stores.open import open_store
from activities.settings import load
from tests.ports.stores.test_weaviate_store import many

weaviate_batches.BATCH = 50

async def main():
    async with open_store(load()) as store:
        print("storing", flush=True)
        await store.replace("acme", "handbook", many(5_000))

asyncio.run(main())
"""


async def test_what_a_killed_writer_left_goes_with_a_later_replacement(empty_server: Store) -> None:
    async with opened(empty_server, abandoned=timedelta(seconds=3)) as (store, server):
        await store.replace("acme", "handbook", many(2))
        await store.replace("acme-2", "handbook", many(3))

        async def count() -> int:
            return len(await server.ask("cannot list", tenants))

        assert await count() == 2
        key = empty_server.weaviate_api_key
        writer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED),
            cwd=ROOT,
            env={
                "PATH": "",
                "PERDURE_STORE__WEAVIATE": empty_server.weaviate or "",
                "PERDURE_STORE__WEAVIATE_GRPC": empty_server.weaviate_grpc or "",
                "PERDURE_STORE__WEAVIATE_API_KEY": "" if key is None else key.get_secret_value(),
            },
        )

        async def begun() -> bool:
            return await count() == 3

        await until(begun, what="the writer has made its generation")
        writer.kill()
        await writer.wait()
        assert await store.count("acme", "handbook") == 2

        async def tidied() -> bool:
            await store.replace("acme", "handbook", many(2))
            return await count() == 3  # two of acme, the live one and the one before, and the other tenant's

        await until(tidied, what="it is old enough to be removed", every=0.5)
        assert await store.count("acme-2", "handbook") == 3


async def test_a_class_that_somebody_removed_is_a_clear_error_and_can_be_stored_anew(empty_server: Store) -> None:
    async with opened(empty_server) as (store, server):
        await store.replace("acme", "handbook", many(2))
        await server.ask("cannot remove", lambda client: client.collections.delete("Perdure384_handbook"))
        with pytest.raises(StorageFailed, match="does not have what it says is live; build the index anew"):
            await store.search("acme", "handbook", "alpha", AXIS, 1)
        await store.replace("acme", "handbook", many(3))
        assert await store.count("acme", "handbook") == 3


async def test_tenants_whose_long_names_begin_alike_are_kept_apart(empty_server: Store) -> None:
    names = ["a" * 62 + end for end in "bc"] + ["a" * 46, "a" * 47]
    async with opened(empty_server) as (store, _):
        for number, name in enumerate(names):
            await store.replace(name, "b" * 63, many(1, start=number))
        for number, name in enumerate(names):
            [hit] = await store.search(name, "b" * 63, "alpha", AXIS, 5)
            assert hit.chunk.number == number
        with pytest.raises(UnknownCollection, match="no collection"):
            await store.search("a" * 45, "b" * 63, "alpha", AXIS, 5)


async def test_more_editions_than_a_default_limit_are_all_listed(empty_server: Store) -> None:
    async with open_store(Settings(store=empty_server)) as store:
        await store.replace("acme", "handbook", [chunk(0, "H\nalpha", AXIS, version=number) for number in range(700)])
        assert [one.version for one in await store.editions("acme", "handbook")] == list(range(700))
