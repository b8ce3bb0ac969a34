"""An agent whose writes people approve, over workers that store every larger payload elsewhere; and a report."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.adapters.temporal.payload_keys import PayloadKeys
from activities.adapters.temporal.payload_storage import payload_storage
from activities.settings import Settings, Tools
from agents.loader import Specs
from deploy.local.stack.desk import DeskServer
from perdure.contracts.agents.agent import AgentSpec
from tests.support.runs.hostile_payloads import KEPT
from tests.support.runs.people import Grants
from tests.support.sections import section
from worker import Adapters, WorkerRole, workers
from workflows.plugin import PerdurePlugin

SAMPLE = 40
"""The number of payloads in the ordinary tests."""

ALL = 1_000
"""The number of payloads with `--chaos=all`."""


@dataclass
class Report:
    """The counts of this session's trials."""

    seed: int
    thrown: int
    lines: list[str] = field(default_factory=list[str])


REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    seed = cast("int", config.getoption("chaos_seed"))
    config.stash[REPORT] = Report(seed, SAMPLE if config.getoption("chaos") == "sample" else ALL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Print the counts."""
    report = session.config.stash[REPORT]
    if report.lines:
        section(session.config, f"trials: --chaos-seed={report.seed}", *report.lines)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    return request.config.stash[REPORT]


@pytest.fixture
def grants(monkeypatch: pytest.MonkeyPatch) -> Grants:
    """The grants of the agent `clerk`."""
    clerk = Grants()

    def agent(_: Specs, name: str) -> AgentSpec:
        return clerk.spec(name)

    monkeypatch.setattr(Specs, "agent", agent, raising=False)
    return clerk


@pytest.fixture
def desk_server(tmp_path: Path) -> Iterator[DeskServer]:
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


@dataclass(frozen=True)
class Platforms:
    """The workers' side of the platform."""

    client: Client
    """A client that is connected as a worker is."""
    parts: Adapters
    keys: PayloadKeys


@pytest_asyncio.fixture(loop_scope="session")
async def platforms(
    client: Client,
    settings: Settings,
    desk_server: DeskServer,
    grants: Grants,  # noqa: ARG001 - what the workers pin
) -> AsyncIterator[Platforms]:
    """The platform's own workers in this process; any payload above a hundred bytes leaves the history."""
    settings = settings.model_copy(update={"tools": Tools(services={"desk": desk_server.url})})
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        keys = PayloadKeys([], parts.database)
        plugin = PerdurePlugin(payload_storage(parts.blobs, keys, KEPT))
        working = await Client.connect(client.service_client.config.target_host, plugins=[plugin])
        for worker in workers(working, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield Platforms(working, parts, keys)
