"""Fixtures: a Temporal server without time skipping, an agent, and the command line as a process of its own."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.settings import ROOT, Approvals, Settings, Tools, environment_with
from deploy.local.stack.desk import DeskServer
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.support.runs.agent_runs import READS, WRITES, with_agents, write_agent
from tests.support.runs.people import PUBLIC
from tests.support.servers.temporal import TEMPORAL
from workflows.plugin import PerdurePlugin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Start a real server without time skipping: a run that a command starts waits for people in real time."""
    async with await WorkflowEnvironment.start_local(
        plugins=[PerdurePlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=str(TEMPORAL),
        dev_server_log_level="error",
    ) as started:
        yield started


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path, tools=(*READS, *WRITES, "ask_person"))
    shutil.copy(ROOT / "agents" / "handbook.toml", tmp_path)
    return with_agents(
        settings, tmp_path, tools=Tools(services={"desk": desk.url}), approvals=Approvals(keys=SecretStr(PUBLIC))
    )


@dataclass(frozen=True)
class CommandResult:
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Cli: TypeAlias = Callable[..., Awaitable[CommandResult]]


@pytest.fixture
def cli(client: Client) -> Cli:
    """Return a function that runs `perdure` with these arguments to its end."""

    async def run(*arguments: str, stdin: bytes | None = None) -> CommandResult:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perdure.cli", *arguments),
            cwd=ROOT,
            env=environment_with(TEMPORAL_ADDRESS=client.service_client.config.target_host),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin), 120)
        assert process.returncode is not None
        return CommandResult(process.returncode, out.decode(), err.decode())

    return run
