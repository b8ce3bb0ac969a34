"""The stage of scenarios: workers over a stub model, with agents of their own, a desk, and tools that misbehave."""

import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from activities.composition import Adapters, WorkerRole
from activities.settings import ROOT, Settings, Tools
from deploy.local.stack.desk import DeskServer
from tests.support.runs.agent_runs import BRIEF, READS, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.tool_calls.odd_tools import Calls, odd_tools
from tools.base import Tool
from worker import workers

GUARDED = '[[screen]]\nguard = "injection"\n[[check]]\nguard = "secrets_present"\n'


@dataclass(frozen=True)
class Stage:
    """The parts of a stage that scenarios use."""

    stub: StubModel
    odd_calls: Calls
    """The calls of the tools that misbehave."""


@asynccontextmanager
async def set_up(client: Client, settings: Settings, stub: StubModel, folder: Path) -> AsyncGenerator[Stage]:
    """Set up a stage on this client's server, with its files in the folder."""
    agents, odd_calls = folder / "agents", Calls()
    shutil.copytree(ROOT / "agents", agents)
    write_agent(agents)
    write_agent(agents, "odd", tuple(odd_tools(odd_calls)))
    write_agent(agents, "guarded", READS, GUARDED)
    write_agent(agents, "brief", READS, BRIEF)
    write_agent(agents, "unguarded", READS, "results = []\n")
    write_agent(agents, "limited", loops="", more='results = []\nrequires = ["send_message"]\n')

    class StageAdapters(Adapters):
        def all_tools(self) -> Mapping[str, Tool[Any]]:
            return {**super().all_tools(), **odd_tools(odd_calls)}

    with DeskServer(0, folder / "desk.db") as desk:
        staged = with_agents(settings, agents, tools=Tools(services={"desk": desk.url}))
        async with AsyncExitStack() as stack:
            parts = await StageAdapters.open(staged, stack)
            for worker in workers(client, staged, parts, list(WorkerRole)):
                await stack.enter_async_context(worker)
            yield Stage(stub, odd_calls)
