"""PostgreSQL's own errors: waited for where that helps, and otherwise a message of one line without the password."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, text

from activities.adapters.databases.postgres_database import PostgresDatabase, open_postgres
from activities.adapters.sql.blobs import SqlBlobs
from activities.ports import PortError, StorageFailed, StorageFull
from deploy.processes.ports import free_ports
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated
from perdure.contracts.text import Text
from tests.ports.databases.test_database import BEGIN, MAKE, READ, count
from tests.services.postgres_server import PostgresServer
from tests.support.faults.cutting_proxy import cutting
from tests.support.processes.storing import KEY, reply
from tests.support.stores.orders import RegisteredReplies, order

pytestmark = pytest.mark.postgres

PATIENCE = 20.0
"""The most seconds that an immediate error may take."""
FIVE = Spend(steps=1, micro_dollars=5)


@asynccontextmanager
async def opened(url: str, patience: float = PATIENCE) -> AsyncGenerator[PostgresDatabase]:
    database = open_postgres(url, patience)
    try:
        yield database
    finally:
        await database.dispose()


async def error_of(url: str, patience: float = PATIENCE) -> str:
    """Return the error message of an unusable database, which comes within `patience` and a little."""
    began = time.monotonic()
    async with opened(url, patience) as database:
        with pytest.raises(StorageFailed) as raised:
            await SqlBlobs(database).put("acme", b"x")
    assert time.monotonic() - began < 10
    message = str(raised.value)
    assert "\n" not in message
    assert str(urlsplit(url).password) not in message
    return message


def at(url: str) -> str:
    """Return how messages name a server."""
    return f"PostgreSQL at {url.split('@')[1].split('?', maxsplit=1)[0]}"


async def test_a_wrong_password_or_user_is_told_at_once(postgres_url: str) -> None:
    password = str(urlsplit(postgres_url).password)
    for wrong in (postgres_url.replace(password, "wr0ng"), postgres_url.replace("//perdure", "//ann")):
        assert await error_of(wrong) == (
            f"{at(postgres_url)} refused the password or user: check PERDURE_DATABASE__POSTGRES"
        )


async def test_an_unknown_database_is_told_at_once(postgres_url: str) -> None:
    url = f"{postgres_url}_of_nobody"
    assert (
        await error_of(url) == f"{at(url)} has no database of this name: create it, or check PERDURE_DATABASE__POSTGRES"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("sslmode=require", "speaks no TLS, or cannot be trusted: check sslmode"),
        ("sslmode=verify-full", "speaks no TLS, or cannot be trusted: check sslmode"),
        ("sslmode=perhaps", "has an unknown option in its address"),
        ("colour=red", "has an unknown option in its address"),
    ],
)
async def test_an_option_that_cannot_be_met_is_told_at_once(postgres_url: str, options: str, sentence: str) -> None:
    assert f"{at(postgres_url)} {sentence}" in await error_of(f"{postgres_url}?{options}")


@pytest.mark.parametrize(
    "url", ["hush", "postgresql://ann:hush@host", "mysql://ann:hush@host/db", "postgresql://ann:hush@host:port/db"]
)
def test_an_invalid_address_is_named_without_repeating_it(url: str) -> None:
    with pytest.raises(StorageFailed, match="write PERDURE_DATABASE__POSTGRES=postgresql://user:password@") as raised:
        open_postgres(url, PATIENCE)
    assert "hush" not in str(raised.value)


async def test_a_server_that_is_not_there_is_waited_for_and_then_told() -> None:
    [port] = free_ports(1)
    began = time.monotonic()
    message = await error_of(f"postgresql://ann:hush@127.0.0.1:{port}/perdure", patience=1)
    assert time.monotonic() - began > 0.5
    assert message.startswith(f"PostgreSQL at 127.0.0.1:{port}/perdure cannot be reached, tried for 1 s (")
    assert message.endswith("): see that it runs")


async def test_a_server_that_says_nothing_to_a_new_connection_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        assert "cannot be reached" in await error_of(f"postgresql://ann:hush@{address}/db?connect_timeout=2", 1)


async def test_a_server_that_says_nothing_in_mid_transaction_is_given_up_and_its_thread_is_free(
    postgres_url: str,
) -> None:
    async with opened(postgres_url, patience=1) as database:
        await database.bring_up()
        began = time.monotonic()
        sleep = text("SELECT pg_sleep(60)")
        hanging = [database.write(lambda connection: connection.execute(sleep)) for _ in range(20)]
        errors = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(one) for one in errors} == {StorageFailed}
        assert time.monotonic() - began < 10
        await SqlBlobs(database).put("acme", b"still there")


async def test_a_database_that_only_reads_is_told_at_once(postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    async with opened(postgres_url) as database:
        digest = await SqlBlobs(database).put("acme", b"kept")
        only_reads = text(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await database.write(lambda connection: connection.execute(only_reads))
    assert "is a standby or was made read-only: name the primary" in await error_of(postgres_url)
    async with opened(postgres_url) as database:
        assert await SqlBlobs(database).get("acme", digest) == b"kept"


async def test_a_user_that_may_not_make_tables_is_told_at_once(postgres_url: str) -> None:
    async with opened(postgres_url) as database:
        ann = text("CREATE ROLE ann LOGIN PASSWORD 'hush'")
        await database.write(lambda connection: connection.execute(ann))
    server = postgres_url.split("@")[1]
    name = server.rpartition("/")[2]
    other = server.replace(name, "template1")
    assert "GRANT it, or let it own the schema" in await error_of(f"postgresql://ann:hush@{other}")


async def test_a_full_disk_is_a_clear_error_and_loses_nothing(postgres_url: str) -> None:
    # The server itself raises what a full disk raises: filling a real one would hit every other test.
    full = text(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$; "
        "CREATE TRIGGER full_disk BEFORE INSERT ON bodies FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    async with opened(postgres_url) as database:
        blobs = SqlBlobs(database)
        digest = await blobs.put("acme", b"before")
        await database.write(lambda connection: connection.execute(full))
        with pytest.raises(StorageFull, match=r"^PostgreSQL at .* has no room left on its disk: make room"):
            await blobs.put("acme", b"more")
        assert await blobs.get("acme", digest) == b"before"


async def test_a_writer_that_others_hold_up_for_too_long_is_told(postgres_url: str) -> None:
    async with opened(postgres_url) as holder, opened(postgres_url, patience=0.5) as database:
        await holder.write(lambda connection: connection.execute(MAKE))
        await holder.write(lambda connection: connection.execute(BEGIN))
        await database.bring_up()
        locked, release = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(connection: Connection) -> int:
            number = count(connection)
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)
            return number

        holding = asyncio.create_task(holder.write(hold))
        await locked.wait()
        with pytest.raises(StorageFailed, match="PostgreSQL at"):
            await database.write(count)
        release.set()
        assert await holding == 1
        assert await database.write(count) == 2


async def test_a_commit_that_was_not_acknowledged_is_done_again_and_counts_once(postgres_url: str) -> None:
    server = urlsplit(postgres_url)
    assert server.hostname is not None
    assert server.port is not None
    async with cutting(server.hostname, server.port, b"COMMIT") as proxy:
        way = postgres_url.replace(f":{server.port}/", f":{proxy.port}/")
        async with opened(way) as database, opened(postgres_url) as beside:
            await database.bring_up()
            replies = RegisteredReplies(database)
            proxy.cuts = 1
            assert await replies.begin(order(KEY, 1), Generated) is None
            assert proxy.cuts == 0
            assert await RegisteredReplies(beside).attempts(KEY) == {1: None}

            proxy.cuts = 2
            text = Text.of("told")
            saved = await replies.save(order(KEY, 1), reply("first"), FIVE, [text])
            assert proxy.cuts == 0
            assert saved == reply("first").model_copy(update={"charges": {1: FIVE}})
            assert await RegisteredReplies(beside).attempts(KEY) == {1: FIVE}
            assert await SqlBlobs(beside).get(KEY.tenant, text.digest) == b"told"


async def test_without_repeating_the_commit_would_have_been_there_and_not_known(postgres_url: str) -> None:
    """The premise of the test above: the server has committed the transaction that the proxy cut off."""
    server = urlsplit(postgres_url)
    assert server.hostname is not None
    assert server.port is not None
    async with cutting(server.hostname, server.port, b"COMMIT") as proxy:
        way = postgres_url.replace(f":{server.port}/", f":{proxy.port}/")
        async with opened(way) as database:
            await database.write(lambda connection: connection.execute(MAKE))
            await database.write(lambda connection: connection.execute(BEGIN))
            proxy.cuts = 1
            # Counting is not safe to repeat: it shows how often it was done.
            assert await database.write(count) == 2


async def test_a_server_that_restarts_in_mid_transaction_is_waited_for(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with opened(url, patience=60) as database:
        await database.write(lambda connection: connection.execute(MAKE))
        await database.write(lambda connection: connection.execute(BEGIN))
        begun, tries = asyncio.Event(), 0
        restarted = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupted(connection: Connection) -> int:
            nonlocal tries
            tries += 1
            count(connection)
            if tries == 1:
                loop.call_soon_threadsafe(begun.set)
                asyncio.run_coroutine_threadsafe(restarted.wait(), loop).result(60)
            return connection.execute(READ).scalar_one()

        writing = asyncio.create_task(database.write(interrupted))
        await begun.wait()
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        waiting = asyncio.create_task(SqlBlobs(database).put("acme", b"meanwhile"))
        await asyncio.to_thread(postgres.start)
        restarted.set()
        assert await writing == 1
        assert tries == 2
        assert await SqlBlobs(database).get("acme", await waiting) == b"meanwhile"


async def test_no_message_is_longer_than_a_line(postgres_url: str) -> None:
    async with opened(postgres_url) as database:
        with pytest.raises(PortError) as raised:
            await database.write(lambda connection: connection.execute(text("SELECT\n1 / 0")))
    assert str(raised.value) == f"{at(postgres_url)} failed: division by zero; see its log"
