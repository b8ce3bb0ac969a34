"""Fixtures: a server that wants a new execution after a few dozen events, so that a long run takes a second."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities.settings import Settings, Tools
from deploy.local.stack.desk import Desk, DeskServer
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.runs.agent_runs import READS, with_agents, write_agent
from tests.support.servers.temporal import TEMPORAL, TIME_SKIPPING
from workflows.plugin import PerdurePlugin

EVENTS = 60
"""The events after which the server suggests a new execution; its default is 4,096."""

REMINDED = "\n[tools.send_message.policy]\nremind = 86400\ntimeout = 604800\n"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Start a real server with time skipping."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        plugins=[PerdurePlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(TEMPORAL),
        dev_server_extra_args=[
            *TIME_SKIPPING,
            *("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={EVENTS}"),
        ],
        dev_server_log_level="error",
    ) as started:
        yield started


@pytest.fixture
def received(desk: DeskServer) -> Desk:
    return desk.desk


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    write_agent(tmp_path, "unguarded", READS, "results = []\n")
    write_agent(tmp_path, "reminded", (*READS, "create_ticket", "send_message"), after=REMINDED)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))
