"""A Redis server of the tests' own: on a free loopback port, with a password, and nothing of it on disk."""

import os
import secrets
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from tests.services.programs import require

REMEDY = "install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"


class RedisServer:
    """One server. `kill` and `start` keep its port and password, and nothing else."""

    def __init__(self, folder: Path) -> None:
        """Start it, with its configuration and log in this folder."""
        program = require("redis-server", REMEDY)
        [self._port] = free_ports(1)
        self._password, self._pid = secrets.token_hex(16), 0
        file = folder / "redis.conf"
        file.write_text(
            f"bind {HOST}\nport {self._port}\nrequirepass {self._password}\n"
            f'save ""\nappendonly no\ndir {folder}\ndaemonize no\n'
        )
        command = [str(program), str(file)]
        self._part = Process("Redis", command, log=folder / "redis.log", ready=self._ready, environment={})
        self.start()

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self._password}@{HOST}:{self._port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._part.begin(self._hear)

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self._pid, signal.SIGKILL)
        self._part.end()

    def pause(self) -> None:
        """Suspend it; its connections stay open."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Resume it."""
        os.kill(self._pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it."""
        with suppress(ProcessLookupError):
            self.go_on()
        self._part.end()

    def _ready(self) -> bool:
        with suppress(RedisConnectionError), Redis(host=HOST, port=self._port, password=self._password) as client:
            return bool(client.ping())
        return False

    def _hear(self, pid: int) -> None:
        self._pid = pid


@contextmanager
def redis_server(folder: Path) -> Generator[str]:
    """Start one, yield its address with its password, and stop it."""
    server = RedisServer(folder)
    try:
        yield server.url
    finally:
        server.stop()
