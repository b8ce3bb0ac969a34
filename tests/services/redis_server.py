"""A Redis server of the tests' own: on a free loopback port, with a password, and nothing of it on disk."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.local.parts import Part
from deploy.local.ports import HOST, free_ports
from tests.services.programs import require

REMEDY = "install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"


@contextmanager
def redis_server(folder: Path) -> Generator[str]:
    """Start one, yield its address with its password, and stop it."""
    program = require("redis-server", REMEDY)
    [port] = free_ports(1)
    password = secrets.token_hex(16)
    file = folder / "redis.conf"
    file.write_text(
        f'bind {HOST}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndir {folder}\ndaemonize no\n'
    )

    def ready() -> bool:
        with suppress(RedisConnectionError), Redis(host=HOST, port=port, password=password) as client:
            return bool(client.ping())
        return False

    server = Part("Redis", [str(program), str(file)], log=folder / "redis.log", ready=ready, environment={})
    server.begin(lambda _: None)
    try:
        yield f"redis://:{password}@{HOST}:{port}/0"
    finally:
        server.end()
