"""The PostgreSQL server of the tests asks for its password, listens on loopback alone, and is gone afterwards."""

import psutil
import psycopg
import pytest

from deploy.processes.ports import HOST
from tests.services.postgres_server import postgres_server

pytestmark = pytest.mark.postgres


def test_a_server_is_for_who_knows_its_password_and_nothing_is_left_of_it() -> None:
    with postgres_server() as server:
        url = server.new_database()
        port = int(url.split(":")[3].split("/")[0])
        with psycopg.connect(url) as connection:
            shown = connection.execute("SHOW data_directory").fetchone()
            assert shown is not None
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace("perdure:", "perdure:not-"))
        listening = {one.laddr for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
        assert [address.ip for address in listening if address and address.port == port] == [HOST]
        owners = {one.info["username"] for one in psutil.process_iter(["name", "username"]) if _of(one, shown[0])}
        assert owners
        assert "root" not in owners
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url)
    assert not [one for one in psutil.process_iter(["name"]) if _of(one, shown[0])]


def _of(process: psutil.Process, data: str) -> bool:
    try:
        return process.name() == "postgres" and data in process.cmdline()
    except psutil.Error:
        return False
