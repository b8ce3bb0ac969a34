"""What keeps a process from a Temporal server is told apart, alike by the client, the command line and a worker."""

import asyncio
import datetime as dt
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.adapters.databases.open import open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.temporal.client import connect as connect_as_worker
from activities.adapters.temporal.payload_keys import payload_keys
from activities.settings import Paths, Settings, Telemetry
from deploy.cli.app import main as perdure
from deploy.processes.ports import HOST, free_ports
from perdure.client import Platform
from perdure.contracts.temporal.connecting import NotConnected, Obstacle
from perdure.errors import NoServer
from tests.support.servers.certificates import Authority
from tests.support.servers.temporal_fronts import environment_of, key_front, server_context, temporal_tls_front
from tests.support.servers.tls_front import serving_tls

VALID, FOREIGN = "a-valid-key", "a-key-for-another-namespace"


@dataclass(frozen=True)
class World:
    """Ports of one Temporal server, plain and behind fronts, and files of certificates."""

    plain: int
    tls: int
    strict: int
    """Wants a client's certificate."""
    expired: int
    keyed: int
    """Wants an API key, over TLS."""
    ours: Authority
    theirs: Authority

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a case by its name."""
        ca, strange = self.ours.file, self.theirs.file
        [dead] = free_ports(1)
        mine = _client_files(self.ours, "client")
        keyed = f"{HOST}:{self.keyed}"
        cases: Mapping[str, dict[str, str]] = {
            "a server": environment_of(f"{HOST}:{self.plain}"),
            "a server with TLS": environment_of(f"{HOST}:{self.tls}", ca),
            "a server that knows the certificate": environment_of(f"{HOST}:{self.strict}", ca, **mine),
            "a server that knows the key": environment_of(keyed, ca, TEMPORAL_API_KEY=VALID),
            "nobody listens": environment_of(f"{HOST}:{dead}"),
            "no such host": environment_of("no.such.host.invalid:7233"),
            "no address": environment_of("http://["),
            "TLS is wanted": environment_of(f"{HOST}:{self.tls}"),
            "there is no TLS": environment_of(f"{HOST}:{self.plain}", TEMPORAL_TLS="true"),
            "there is no TLS for the key": environment_of(f"{HOST}:{self.plain}", TEMPORAL_API_KEY=VALID),
            "nobody trusts it": environment_of(f"{HOST}:{self.tls}", TEMPORAL_TLS="true"),
            "another authority": environment_of(f"{HOST}:{self.tls}", strange),
            "another name": environment_of(f"localhost:{self.tls}", ca),
            "out of date": environment_of(f"{HOST}:{self.expired}", ca),
            "no certificate": environment_of(f"{HOST}:{self.strict}", ca),
            "a strange certificate": environment_of(
                f"{HOST}:{self.strict}", ca, **_client_files(self.theirs, "stranger")
            ),
            "no key": environment_of(keyed, ca),
            "a wrong key": environment_of(keyed, ca, TEMPORAL_API_KEY="a-wrong-key"),
            "a key without the right": environment_of(keyed, ca, TEMPORAL_API_KEY=FOREIGN),
            "an unknown namespace": environment_of(f"{HOST}:{self.plain}", TEMPORAL_NAMESPACE="nowhere"),
        }
        return cases[name]


def _client_files(authority: Authority, name: str) -> dict[str, str]:
    certificate, key = authority.sign(name)
    return {"TEMPORAL_TLS_CLIENT_CERT_PATH": str(certificate), "TEMPORAL_TLS_CLIENT_KEY_PATH": str(key)}


SERVED = (
    "a server",
    "a server with TLS",
    "a server that knows the certificate",
    "a server that knows the key",
)

OBSTACLES = {
    "nobody listens": (Obstacle.NOBODY_LISTENS, "no Temporal server answers at 127.0.0.1:"),
    "no such host": (Obstacle.NOBODY_LISTENS, "no Temporal server answers at no.such.host.invalid:7233"),
    "no address": (Obstacle.NOBODY_LISTENS, "set TEMPORAL_ADDRESS"),
    "TLS is wanted": (Obstacle.TLS_WANTED, "speaks only TLS: set TEMPORAL_TLS=true"),
    "there is no TLS": (Obstacle.NO_TLS, "speaks no TLS, but the configuration asks for it: set TEMPORAL_TLS=false"),
    "there is no TLS for the key": (Obstacle.NO_TLS, "speaks no TLS, but TEMPORAL_API_KEY asks for it"),
    "nobody trusts it": (Obstacle.CERTIFICATE_REFUSED, "is not trusted (its authority is unknown)"),
    "another authority": (Obstacle.CERTIFICATE_REFUSED, "is not trusted (its authority is unknown)"),
    "another name": (Obstacle.CERTIFICATE_REFUSED, "is not trusted (it is for another host)"),
    "out of date": (Obstacle.CERTIFICATE_REFUSED, "is not trusted (it is out of date)"),
    "no certificate": (Obstacle.CLIENT_CERTIFICATE, "set TEMPORAL_TLS_CLIENT_CERT_PATH"),
    "a strange certificate": (Obstacle.CLIENT_CERTIFICATE, "set TEMPORAL_TLS_CLIENT_CERT_PATH"),
    "no key": (Obstacle.KEY_REFUSED, "refuses the API key, or wants one (Request unauthorized)"),
    "a wrong key": (Obstacle.KEY_REFUSED, "refuses the API key, or wants one (Request unauthorized)"),
}

AFTERWARDS = {
    "a key without the right": (Obstacle.NOT_PERMITTED, "does not permit this (Request unauthorized)"),
    "an unknown namespace": (Obstacle.UNKNOWN_NAMESPACE, "has no such namespace (Namespace nowhere is not found)"),
}
"""What only the first call is told: a connection is made without a namespace."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(environment: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with _world(environment.client, tmp_path_factory.mktemp("certificates")) as made:
        yield made


@asynccontextmanager
async def _world(client: Client, folder: Path) -> AsyncGenerator[World]:
    target = client.service_client.config.target_host
    plain = int(target.rpartition(":")[2])
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    old = server_context(ours)
    old.load_cert_chain(*ours.sign("old", until=-dt.timedelta(days=1)))
    with key_front(target, {VALID: client.namespace, FOREIGN: "another"}) as keyed:
        async with (
            temporal_tls_front(plain, server_context(ours)) as tls,
            temporal_tls_front(plain, server_context(ours, clients=ours)) as strict,
            temporal_tls_front(plain, old) as expired,
            temporal_tls_front(keyed, server_context(ours)) as keyed_tls,
        ):
            yield World(plain, tls, strict, expired, keyed_tls, ours, theirs)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take every TEMPORAL_ variable away, and the user's own file."""
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    return monkeypatch


def _configure(patch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        patch.setenv(name, value)


async def _list_by_command(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(perdure, ["list"])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("case", SERVED)
async def test_a_configured_connection_serves(world: World, configured: pytest.MonkeyPatch, case: str) -> None:
    _configure(configured, world.environment(case))
    async with await Platform.connect() as platform:
        assert await platform.list_runs() is not None


@pytest.mark.parametrize(("case", "obstacle", "words"), [(case, *told) for case, told in OBSTACLES.items()])
async def test_each_obstacle_is_told_apart_by_client_command_and_worker(
    *,
    world: World,
    configured: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    case: str,
    obstacle: Obstacle,
    words: str,
) -> None:
    _configure(configured, world.environment(case))
    with pytest.raises(NoServer) as refused:
        await Platform.connect()
    message = str(refused.value)
    assert refused.value.reason is obstacle, message
    assert words in message
    assert "a-wrong-key" not in message
    assert await _list_by_command(capsys) == (1, f"perdure: {message}\n")
    settings = Settings(paths=Paths(state=tmp_path), telemetry=Telemetry(traces=False))
    async with open_database(settings) as database:
        with pytest.raises(NotConnected) as worker:
            await connect_as_worker(settings, SqlBlobs(database), payload_keys(settings.payloads, database))
    assert (str(worker.value), worker.value.reason) == (message, obstacle)


@pytest.mark.parametrize(("case", "obstacle", "words"), [(case, *told) for case, told in AFTERWARDS.items()])
async def test_what_only_a_call_is_told_is_told_apart_too(
    *,
    world: World,
    configured: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
    obstacle: Obstacle,
    words: str,
) -> None:
    _configure(configured, world.environment(case))
    async with await Platform.connect() as platform:
        for call in (platform.status("run"), platform.start("Why?"), platform.cancel("run"), platform.list_runs()):
            with pytest.raises(NoServer, match=words.replace("(", r"\(").replace(")", r"\)")) as refused:
                await call
            assert refused.value.reason is obstacle
    code, line = await _list_by_command(capsys)
    assert (code, line.count("\n")) == (1, 1)
    assert words in line


async def test_a_server_that_is_none_or_silent_is_no_server(configured: pytest.MonkeyPatch) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    over = asyncio.Event()

    async def be_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    for serve in (refuse, be_silent):
        async with serving_tls(serve, None) as port:
            _configure(configured, environment_of(f"{HOST}:{port}"))
            with pytest.raises(NoServer, match="gives no answer of a Temporal server's") as refused:
                await Platform.connect(within=dt.timedelta(seconds=2))
            assert refused.value.reason is Obstacle.NO_ANSWER
    over.set()
