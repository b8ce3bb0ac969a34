"""An agent whose writes people agree to, at a real desk, with the platform's own workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.settings import Approvals, Settings, Tools
from agents.loader import Specs
from deploy.local.desk import Desk, DeskServer
from perdure.contracts.agent import AgentSpec
from tests.support.people import PUBLIC, Grants


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


@pytest.fixture
def settings(settings: Settings, desk_server: DeskServer) -> Settings:
    return settings.model_copy(
        update={
            "tools": Tools(services={"desk": desk_server.url}),
            "approvals": Approvals(keys=SecretStr(PUBLIC)),
        }
    )
