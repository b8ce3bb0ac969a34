"""Fixtures of the chaos tests, the choice of kill points, and the report at the end."""

import json
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHistory

from activities.settings import ROOT
from deploy.processes.ports import free_ports
from deploy.testing.standby_workers import ForkServer, StandbyWorkers
from perdure.contracts.temporal.converter import data_converter
from perdure.testing import Checkout, embedded_stack
from tests.chaos.equipment import long_runs
from tests.chaos.equipment.agents import AGENT, READER, TOOLS, AgentWorld
from tests.chaos.equipment.ledger import Attempts, PostgresAttempts, SqliteAttempts
from tests.chaos.equipment.long_runs import Passage
from tests.chaos.equipment.processes import Server, Stub
from tests.chaos.equipment.trial import Trial, Workers, World
from tests.chaos.equipment.volley import Volley, report_lines
from tests.services.postgres_server import PostgresServer
from tests.support.sections import section

SAMPLE = 3
"""The number of events at which the default run kills; the moments between events are always tried."""

RETRIED_SAMPLE = 2
"""The number of events for a run whose first attempt fails, and for one whose first reply is repaired."""

HISTORIES = Path(__file__).resolve().parent.parent / "replay" / "histories"

UNDISTURBED = HISTORIES / "answered-with-an-older-edition.json"
"""A recorded run without any disturbance: its events are the kill points."""

KILL_POINTS = {
    "event": (UNDISTURBED, SAMPLE),
    "event_of_a_retried_run": (HISTORIES / "answered-after-a-lost-attempt-and-a-wait.json", RETRIED_SAMPLE),
    "event_over_postgres": (UNDISTURBED, RETRIED_SAMPLE),
    "event_of_a_repaired_run": (HISTORIES / "answered-after-a-repair.json", RETRIED_SAMPLE),
}
"""Recorded runs whose events are kill points, by the argument of the test, and how many of them a sample holds."""


@dataclass
class Report:
    """The results of the trials of this session."""

    seed: int
    events: int
    trials: list[Trial] = field(default_factory=list[Trial])
    volleys: list[Volley] = field(default_factory=list[Volley])
    bills: list[str] = field(default_factory=list[str])
    passages: list[Passage] = field(default_factory=list[Passage])


REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    seed = cast("int", config.getoption("chaos_seed"))
    recorded = WorkflowHistory.from_json("undisturbed", UNDISTURBED.read_text())
    config.stash[REPORT] = Report(seed, len(recorded.events))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the events at which workers are killed."""
    report = metafunc.config.stash[REPORT]
    for argument, (history, size) in KILL_POINTS.items():
        if argument not in metafunc.fixturenames:
            continue
        event_numbers = list(range(1, len(WorkflowHistory.from_json("recorded", history.read_text()).events) + 1))
        if metafunc.config.getoption("chaos") == "sample":
            event_numbers = sorted(random.Random(report.seed).sample(event_numbers, size))  # noqa: S311 - a sample, not a secret
        metafunc.parametrize(argument, event_numbers, ids=[f"{number:02}" for number in event_numbers])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Print what each kill cost."""
    report = session.config.stash[REPORT]
    lines = [*report_lines(report.volleys), *report.bills, *long_runs.report_lines(report.passages)]
    if lines:
        section(session.config, f"chaos of agents: seed {report.seed}", *lines)
    if not report.trials:
        return
    costs = [
        f"{trial.recovery:6.1f} s  {trial.point:<42} "
        f"calls {trial.calls}, lost {trial.result.unsettled.steps}; {trial.longest_wait}"
        for trial in report.trials
    ]
    times = sorted(trial.recovery for trial in report.trials)
    p50, p95 = (times[math.ceil(share * len(times)) - 1] for share in (0.5, 0.95))
    recovery = f"recovery of {len(times)} runs: p50 {p50:.1f} s, p95 {p95:.1f} s"
    title = f"chaos: seed {report.seed}, {report.events} events in an undisturbed run"
    section(session.config, title, *costs, recovery)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    return request.config.stash[REPORT]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("temporal"), *free_ports(2))
    yield started
    started.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(server: Server, state: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Start one server, one stub and one state folder for all trials."""
    with ExitStack() as stack:
        yield await _world(stack, server, tmp_path_factory.mktemp("chaos"), SqliteAttempts(state), state=state)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_world(
    postgres: PostgresServer, redis_url: str, state: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """Start a world over PostgreSQL and Redis, with its own Temporal server: worlds must not share task queues."""
    url = postgres.new_database()
    with ExitStack() as stack:
        server = Server(tmp_path_factory.mktemp("temporal"), *free_ports(2))
        stack.callback(server.stop)
        attempts = PostgresAttempts(url)
        stack.callback(attempts.close)
        stores = {"PERDURE_DATABASE__POSTGRES": url, "PERDURE_TOKENS__REDIS": redis_url}
        yield await _world(stack, server, tmp_path_factory.mktemp("chaos"), attempts, state=state, stores=stores)


async def _world(
    stack: ExitStack,
    server: Server,
    folder: Path,
    attempts: Attempts,
    *,
    state: Path,
    stores: Mapping[str, str] = MappingProxyType({}),
) -> World:
    stub = Stub(folder)
    stack.callback(stub.stop)
    environment = {
        "TEMPORAL_ADDRESS": server.address,
        "PERDURE_PATHS__STATE": str(state),
        "PERDURE_MODEL__ENDPOINTS": json.dumps({"fast": stub.url}),
        "PERDURE_TELEMETRY__TRACES": "false",
        **stores,
    }
    fork_server = ForkServer(folder, environment)
    stack.callback(fork_server.close)
    client = await Client.connect(server.address, data_converter=data_converter)
    return World(client, stub, attempts, Workers(StandbyWorkers(fork_server)))


@pytest.fixture(scope="session")
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Return the seeded generator that samples and random moments are drawn from."""
    return random.Random(request.config.stash[REPORT].seed)  # noqa: S311 - a sample, not a secret


@pytest.fixture
def sampled(request: pytest.FixtureRequest) -> bool:
    """Return whether a tenth of the trials is enough."""
    return request.config.getoption("chaos") == "sample"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def agent_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AgentWorld]:
    """Start a stack as authors of agents do; its desk pauses between a write and its reply, time for a kill."""
    async with _agent_world(tmp_path_factory, {"chaos": AGENT, "reader": READER}) as world:
        yield world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def long_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AgentWorld]:
    """Start such a stack on a server that asks for a new execution after few events."""
    early = {"PERDURE_EMBEDDED__CONTINUE_AFTER": str(long_runs.CONTINUE_AFTER)}
    async with _agent_world(tmp_path_factory, {"long": long_runs.AGENT}, early) as world:
        yield world


@asynccontextmanager
async def _agent_world(
    folders: pytest.TempPathFactory, specs: Mapping[str, str], more: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[AgentWorld]:
    agents = folders.mktemp("agents")
    for name, spec in specs.items():
        (agents / f"{name}.toml").write_text(spec)
    with embedded_stack(
        Checkout(ROOT),
        state=folders.mktemp("agent-chaos"),
        agents=agents,
        tools=TOOLS,
        desk_pause=timedelta(seconds=0.3),
        settings={"PERDURE_TELEMETRY__TRACES": "false", **more},
    ) as stack:
        client = await Client.connect(stack.address, data_converter=data_converter)
        async with await stack.platform() as platform:
            yield AgentWorld(stack, platform, client)
