"""Fixtures that every kind of test shares: a real Temporal server, a stub model, and the platform's own worker."""

import os
import secrets
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.settings import Model, Paths, Settings, Telemetry, quiet_libraries
from deploy.local.commands.index import index_folder
from deploy.local.stack.desk import DeskServer
from deploy.testing.fork_server import SHARED
from deploy.testing.standby_workers import fork_server
from perdure.client import Platform
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.services.redis_server import redis_server
from tests.services.sglang_server import SGLangServer
from tests.services.sglang_server import sglang_server as start_sglang
from tests.services.weaviate_server import Weaviate, weaviate_server
from tests.support.sections import print_sections, receive_sections, section, send_sections
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL, TIME_SKIPPING
from worker import Adapters, WorkerRole, workers
from workflows.plugin import PerdurePlugin

DOCUMENTS = Path(__file__).resolve().parent.parent / "evals" / "datasets" / "handbook" / "documents"

KNOWN = ("parental-leave-v1.md", "parental-leave-v2.md", "backup-policy.md", "data-sheet-cs-40.pdf")
"""The handbook documents that the tests' collection holds."""

TESTS = Path(__file__).resolve().parent

WITH_SERVERS = (
    "chaos", "cli", "client", "deploy", "docs", "evals", "long_runs", "people", "replay", "services", "telemetry",
    "testing", "trials", "wheel", "worker", "workflows", "ports/databases", "ports/foreign_work", "ports/guards",
    "ports/models", "ports/model_servers", "ports/temporal", "ports/web", "ports/sql/test_callers_at_once.py",
    "ports/sql/test_writers_at_once.py",
)  # fmt: skip
"""Folders and files whose tests start servers, stubs that speak HTTP, workers, or other processes of the platform."""

LONG = ("activities/test_linear_patterns.py", "state_machines/test_approvals.py")
"""Files without a server that last long all the same: a megabyte for each pattern, thousands of runs."""

TRIALS = ("chaos", "trials", "cli/retry_trial")
"""Folders of long trials, whose samples have a command of their own: `make chaos SAMPLE=1`."""

IN_EVERY_RUN = ("chaos/test_kills.py", "chaos/test_token_log.py", "chaos/test_proof.py")
"""Trials whose samples `make test` runs all the same: workers of a chain are killed, and what they paid is counted."""

LONGEST_FIRST = ("chaos", "testing", "deploy", "cli", "people", "workflows", "long_runs", "worker", "replay")
"""Folders by how long their tests last."""

STARTS_A_SERVER = "environment"
"""The fixture that every other test with a Temporal server asks for."""

quiet_libraries()

# Examples have no deadline: a busy machine is slow, and that proves nothing about the code.
hypothesis.settings.register_profile("perdure", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("perdure")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos", choices=["sample", "all"], default="sample", help="kill workers at which events")
    group.addoption("--outage-scale", type=float, default=1.0, help="what the seconds of outages are multiplied by")
    group.addoption("--chaos-seed", type=int, default=secrets.randbelow(10**6), help="chooses the sample")


@pytest.hookimpl(tryfirst=True)  # before those of the folders, which draw samples by the seed
def pytest_configure(config: pytest.Config) -> None:
    """Take the seed of the process that prints, since all have to draw the same sample; and let Ctrl-C reach children.

    A shell ignores SIGINT in its background jobs, and every process that such a job starts would ignore it too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    given: dict[str, int] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.option.chaos_seed = given["chaos_seed"]
    elif not config.option.collectonly:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        # All processes of the run fork their workers from one, which imports at the first request.
        os.environ[SHARED] = stack.enter_context(fork_server())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a server or a process, or lasts long, and trials: `make test` leaves some of them out."""
    for item in items:
        if _is_in(item, *WITH_SERVERS, *LONG) or STARTS_A_SERVER in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)
        if _is_in(item, *TRIALS) and not _is_in(item, *IN_EVERY_RUN):
            item.add_marker(pytest.mark.trial)
    items.sort(key=_place)


def _is_in(item: pytest.Item, *places: str) -> bool:
    """Return whether a test is in one of these folders or files."""
    return any(item.path.is_relative_to(TESTS / place) for place in places)


def _place(item: pytest.Item) -> int:
    """Return the place of a test in the order of the run: folders that last long come first, so that none ends last."""
    folder = item.path.relative_to(TESTS).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker process of pytest-xdist."""
    node.workerinput["chaos_seed"] = node.config.option.chaos_seed


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let signals to stop reach the processes of later tests, which inherit that they are ignored or blocked."""
    stopping = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ignored = [number for number in stopping if signal.getsignal(number) is signal.SIG_IGN]
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping) & stopping.keys()
    for number in ignored:
        signal.signal(number, stopping[number])
    if ignored or blocked:
        names = ", ".join(signal.Signals(number).name for number in {*ignored, *blocked})
        section(item.config, "signals", f"{item.nodeid} left {names} ignored or blocked")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    send_sections(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a worker process of pytest-xdist has to print."""
    receive_sections(node.config, getattr(node, "workeroutput", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    print_sections(terminalreporter, config)


@pytest.fixture
def stub() -> Iterator[StubModel]:
    with StubModel(0) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    """The service that tools write to, which counts what it receives."""
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server for the tests that are marked `redis`."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def weaviate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weaviate]:
    """A Weaviate server for the tests that are marked `weaviate`."""
    with weaviate_server(tmp_path_factory.mktemp("weaviate")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the tests that are marked `postgres`."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def sglang_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SGLangServer]:
    """The one SGLang of the tests that are marked `sglang`."""
    with start_sglang(tmp_path_factory.mktemp("sglang")) as server:
        yield server


@pytest.fixture(scope="session")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the few documents that the tests ask about."""
    folder = tmp_path_factory.mktemp("documents")
    for name in KNOWN:
        shutil.copy(DOCUMENTS / name, folder)
    return folder


def load_guards() -> None:
    from activities.adapters.foreign_work.processes import NoProcess, fork_server
    from activities.adapters.guards.guard_work import PRELOAD

    with suppress(NoProcess):  # the first test of a guard says so
        fork_server(PRELOAD).start()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """A real server whose workflows' clocks skip idle time. The guards load meanwhile, in their own process."""
    threading.Thread(target=load_guards, daemon=True).start()
    async with await WorkflowEnvironment.start_time_skipping_v2(
        plugins=[PerdurePlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(TEMPORAL),
        dev_server_extra_args=TIME_SKIPPING,
        dev_server_log_level="error",
    ) as started:
        yield started


@pytest.fixture
def client(environment: WorkflowEnvironment) -> Client:
    return environment.client


@pytest.fixture
def platform(client: Client) -> Platform:
    return Platform(client)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def state(tmp_path_factory: pytest.TempPathFactory, knowledge: Path) -> Path:
    """A state folder whose index holds the known documents."""
    folder = tmp_path_factory.mktemp("state")
    await index_folder(knowledge, Settings(paths=Paths(state=folder)), tenant="default", collection="handbook")
    return folder


@pytest.fixture
def settings(state: Path, stub: StubModel) -> Settings:
    return Settings(
        paths=Paths(state=state),
        model=Model(endpoints={"fast": stub.url, "strong": stub.url}),
        telemetry=Telemetry(traces=False),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def working(client: Client, settings: Settings) -> AsyncIterator[Settings]:
    """The platform's own workers in this process, in all roles, over the stub model."""
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield settings
