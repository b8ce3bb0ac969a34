"""A PostgreSQL server of the tests' own: on a free loopback port, with a password, its data in a temporary folder."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from deploy.processes.ports import HOST, free_ports
from deploy.processes.process import Process
from tests.services.programs import require

REMEDY = "install it (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql)"
DEBIAN = Path("/usr/lib/postgresql")
"""The folder in which Debian installs the programs of each version."""
OWNERS = ("postgres", "nobody")
"""The users who may run the server if the tests run as root, which PostgreSQL refuses; the first that exists does."""


class PostgresServer:
    """One server. `stop` and `start` keep its port and data."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        """Make its data in a folder that its owner can reach, and start it."""
        self._synced = synced
        self._prefix, self._pid = _as_its_owner(folder), 0
        [self._port] = free_ports(1)
        self._password = secrets.token_hex(16)
        self._names = (f"test_{number}" for number in count(1))
        self._initdb, self._postgres = (str(_program(name)) for name in ("initdb", "postgres"))
        self._data = folder / "data"
        secret = folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)  # the folder is its owner's alone
        command = [self._initdb, "--pgdata", str(self._data), "--username", "perdure", "--pwfile", str(secret)]
        command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        made = subprocess.run([*self._prefix, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        self._part = Process("PostgreSQL", self._command(), log=folder / "log", ready=self._ready, environment={})
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Its address, with the password."""
        return f"postgresql://perdure:{self._password}@{HOST}:{self._port}/{database}"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = next(self._names)
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.url(name)

    def take(self, *files: Path) -> list[str]:
        """Copy files to its data, as its owner's alone; returns what its settings call them."""
        owner = self._data.stat()
        for file in files:
            copy = self._data / file.name
            copy.write_bytes(file.read_bytes())
            os.chown(copy, owner.st_uid, owner.st_gid)
            copy.chmod(0o600)
        return [file.name for file in files]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._part.begin(self._hear)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it and wait until it is gone: SIGINT ends its sessions, SIGQUIT leaves its data as a crash does."""
        sessions: list[psutil.Process] = []
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            sessions = psutil.Process(self._pid).children(recursive=True)
            os.kill(self._pid, how)
        self._part.end()
        # They may outlive their server for a moment, and no other one starts on the same data until then.
        psutil.wait_procs(sessions, timeout=30)

    def _command(self) -> list[str]:
        options = {"listen_addresses": HOST, "port": self._port, "unix_socket_directories": ""}
        options["fsync"] = "on" if self._synced else "off"
        return [
            *(*self._prefix, self._postgres, "-D", str(self._data)),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]

    def _ready(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
            return True
        return False

    def _hear(self, pid: int) -> None:
        self._pid = pid


@contextmanager
def postgres_server(*, synced: bool = False) -> Generator[PostgresServer]:
    """Start one, yield it, and stop it.

    Where it is not `synced` it survives the death of its processes and no power cut, which no test makes: after a
    crash it would sync every file of every database before it lets anybody in.
    """
    _program("postgres")
    # Not among the tests' other files: their folder is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="perdure-postgres-") as folder:
        server = PostgresServer(Path(folder), synced=synced)
        try:
            yield server
        finally:
            server.stop()


def installed() -> bool:
    """Return whether PostgreSQL is installed on this machine."""
    return all(_found(name) is not None for name in ("initdb", "postgres"))


def client_programs() -> Path:
    """The folder of `pg_dump` and `pg_restore` that are as new as the server: older ones refuse it."""
    return require(str(_program("postgres").resolve().parent / "pg_dump"), REMEDY).parent


def _found(name: str) -> str | None:
    """A program: the one that the user's PATH names, or Debian's newest."""
    newest = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    return shutil.which(name) or (str(newest[-1]) if newest else None)


def _program(name: str) -> Path:
    """A program on this machine; ends the test where there is none."""
    return require(_found(name) or name, REMEDY)


def _as_its_owner(folder: Path) -> list[str]:
    """What runs a command as a user who may own a server, to whom the folder then belongs."""
    if os.getuid() != 0:
        return []
    known = {user.pw_name: user for user in pwd.getpwall()}
    owner = next(known[name] for name in OWNERS if name in known)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    drop = ["--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]
    # A change of the user resets the signal that ends the process with its parent.
    return [str(require("setpriv", "install util-linux")), *drop, "--pdeathsig", "TERM", "--"]
