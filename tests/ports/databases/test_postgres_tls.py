"""TLS to PostgreSQL follows the address: a certificate is verified, and a bad one is an error at once."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Literal
from sqlalchemy import text

from activities.adapters.databases.postgres_database import PostgresDatabase, open_postgres
from activities.ports import StorageFailed
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.support.servers.certificates import DAY, Authority

pytestmark = pytest.mark.postgres

ENCRYPTED = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


def use_certificate(server: PostgresServer, certificate: tuple[Path, Path]) -> None:
    """Let the server show this certificate from now on."""
    names = server.take(*certificate)
    with psycopg.connect(server.url(), autocommit=True, sslmode="disable") as connection:
        for setting, value in zip(("ssl_cert_file", "ssl_key_file", "ssl"), (*names, "on"), strict=True):
            connection.execute(SQL(f"ALTER SYSTEM SET {setting} = {{}}").format(Literal(value)))  # pyright: ignore[reportArgumentType]
        connection.execute("SELECT pg_reload_conf()")


async def encrypted(database: PostgresDatabase) -> bool:
    try:
        return bool(await database.write(lambda connection: connection.execute(ENCRYPTED).scalar_one()))
    finally:
        await database.dispose()


async def test_a_certificate_is_verified_and_one_that_is_not_good_is_told_at_once(
    server: PostgresServer, authority: Authority, tmp_path: Path
) -> None:
    url = server.new_database()
    theirs = Authority(tmp_path, "theirs").file
    use_certificate(server, authority.sign("good"))
    verified = f"{url}?sslmode=verify-full&sslrootcert={authority.file}"
    assert await encrypted(open_postgres(verified, 20))
    assert not await encrypted(open_postgres(f"{url}?sslmode=disable", 20))
    untrusted = open_postgres(f"{url}?sslmode=verify-full&sslrootcert={theirs}", 20)
    with pytest.raises(StorageFailed, match="cannot be trusted: check sslmode and sslrootcert") as raised:
        await encrypted(untrusted)
    assert str(tmp_path) not in str(raised.value)

    use_certificate(server, authority.sign("expired", until=-DAY))
    with pytest.raises(StorageFailed, match="cannot be trusted: check sslmode and sslrootcert"):
        await encrypted(open_postgres(verified, 20))
