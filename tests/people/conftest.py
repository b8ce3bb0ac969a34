"""Fixtures for approvals: an agent whose writes need approval, a real desk and the platform's own workers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection

from activities.settings import Approvals, Settings, Tools
from agents.loader import Specs
from deploy.local.stack.desk import Desk, DeskServer
from perdure.contracts.agents.agent import AgentSpec
from tests.support.runs.people import PUBLIC, Grants


@pytest.fixture
def desk_server(tmp_path: Path) -> Iterator[DeskServer]:
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


@pytest.fixture
def desk(desk_server: DeskServer) -> Desk:
    return desk_server.desk


@pytest.fixture(autouse=True)
def grants(monkeypatch: pytest.MonkeyPatch) -> Grants:
    """Return the grants of the agent `clerk`, which a test may change."""
    clerk_grants = Grants()

    def agent(_: Specs, name: str) -> AgentSpec:
        return clerk_grants.spec(name)

    monkeypatch.setattr(Specs, "agent", agent, raising=False)
    return clerk_grants


@dataclass
class DatabaseTime:
    """The clock of the database. It does not skip time as the Temporal test server does, unless a test sets `leap`."""

    ahead: timedelta = timedelta(0)
    leap: timedelta = timedelta(0)
    """The time that each look at the clock adds."""

    def now(self, _: Connection) -> datetime:
        self.ahead += self.leap
        return datetime.now(UTC) + self.ahead


@pytest.fixture(autouse=True)
def database_time(monkeypatch: pytest.MonkeyPatch) -> DatabaseTime:
    time = DatabaseTime()
    monkeypatch.setattr("activities.adapters.sql.clock.now", time.now)
    return time


@pytest.fixture
def settings(settings: Settings, desk_server: DeskServer) -> Settings:
    return settings.model_copy(
        update={
            "tools": Tools(services={"desk": desk_server.url}),
            "approvals": Approvals(keys=SecretStr(PUBLIC)),
        }
    )
