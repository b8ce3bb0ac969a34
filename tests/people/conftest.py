"""An agent whose writes people agree to, at a real desk, with the platform's own workers."""

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
    """What the agent `clerk` is granted."""
    given = Grants()

    def agent(_: Specs, name: str) -> AgentSpec:
        return given.spec(name)

    monkeypatch.setattr(Specs, "agent", agent, raising=False)
    return given


@dataclass
class DatabaseTime:
    """The clock beside the database: no workflow's days pass there in seconds, unless a test turns it."""

    ahead: timedelta = timedelta(0)
    leap: timedelta = timedelta(0)
    """How much later it is at each look."""

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
