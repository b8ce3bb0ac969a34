"""The README's code blocks do what it says they do."""

import asyncio
import importlib
import re
import subprocess
import sys
import uuid
from pathlib import Path
from types import ModuleType

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.settings import ROOT, environment_with
from agents.agent_file import parse_agent
from agents.chain_file import parse_chain
from perdure.contracts.chains.steps import Screened
from perdure.contracts.runs.run import AskRequest
from tests.replay.scenarios import reading
from tests.support.runs.agent_runs import answer, calls
from tests.support.servers.stub_model import StubModel
from tools.base import Approval, Tool, ToolContext
from tools.folder import all_tools

README = (ROOT / "README.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language: str, containing: str) -> str:
    [found] = [text for kind, text in BLOCKS if kind == language and containing in text]
    return found


def loaded(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The block as a module of its own, so that the sandbox can load it again."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))  # pyright: ignore[reportUnknownMemberType] - untyped in pytest
    return importlib.import_module(name)


def test_every_block_is_run_by_one_of_these_tests() -> None:
    blocks = [("console", "make demo"), ("python", "platform.ask"), ("toml", "citations_verbatim"), ("python", "@tool")]
    blocks += [("python", "@workflow.defn"), ("python", "platform.extract"), ("python", "platform.run_agent")]
    blocks += [("toml", 'kind = "agent"')]
    assert sorted(text for _, text in BLOCKS) == sorted(block(*marks) for marks in blocks)


def test_the_two_commands_are_what_ci_runs() -> None:
    commands = re.findall(r"^\$ (.+)$", block("console", "make demo"), re.MULTILINE)
    assert commands == ["make demo", "make test"]
    assert "run make demo" in (ROOT / ".ci" / "run").read_text()
    check = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    assert check.rstrip().endswith("$(MAKE) --no-print-directory test")


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", README))
    assert named
    assert named <= targets


@pytest.mark.usefixtures("working")
async def test_a_backend_starts_a_run_as_the_readme_says(client: Client) -> None:
    program = block("python", "platform.ask").replace("ticket-4711", f"ticket-{uuid.uuid4()}")
    assert "weeks" in await output_of(program, client)


@pytest.mark.usefixtures("working")
async def test_a_backend_reads_a_record_as_the_readme_says(client: Client, stub: StubModel) -> None:
    stub.script = [{"content": reading()}]
    output = await output_of(block("python", "platform.extract"), client)
    assert "total 120.00 120.00" in output
    assert "order_number None None" in output


@pytest.mark.usefixtures("working")
async def test_an_agent_does_a_task_as_the_readme_says(client: Client, stub: StubModel) -> None:
    stub.script = [calls(("search_knowledge", {"query": "CS-40 depth"})), answer("250 metres.")]
    program = block("python", "platform.run_agent").replace("task-4711", f"task-{uuid.uuid4()}")
    assert await output_of(program, client) == "250 metres.\n"


async def output_of(program: str, client: Client) -> str:
    """What a program of the README prints, with nothing installed but what it imports."""
    backend = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=ROOT,
        env=environment_with(TEMPORAL_ADDRESS=client.service_client.config.target_host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, complained = await asyncio.wait_for(backend.communicate(), 120)
    assert backend.returncode == 0, complained.decode()
    return output.decode()


def test_the_agent_of_the_readme_can_be_loaded() -> None:
    spec = parse_agent("kitchen", block("toml", 'kind = "agent"').encode(), all_tools())
    assert [(tool.name, tool.approval) for tool in spec.tools] == [
        ("search_knowledge", Approval.NEVER),
        ("calculator", Approval.NEVER),
        ("send_message", Approval.ALWAYS),
    ]


def test_the_chain_of_the_readme_can_be_loaded() -> None:
    spec = parse_chain("recipes", block("toml", "citations_verbatim").encode())
    assert spec.collection == "recipes"
    assert [guard.guard for guard in (*spec.screen, *spec.check)] == ["secrets_present", "citations_verbatim"]


async def test_the_tool_of_the_readme_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mileage = loaded("readme_tool", block("python", "@tool"), tmp_path, monkeypatch).mileage
    assert isinstance(mileage, Tool)
    context = ToolContext(tenant="default", run="r", step="s", key="k")
    assert await mileage.use(context, {"kilometres": 120}) == "84.00 euros"


def test_the_tool_that_the_readme_tries_answers() -> None:
    [arguments] = re.findall(r"`\.venv/bin/perdure tool calculator (.+?)`", README)
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "tool", "calculator", arguments.strip("'")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == "84"


@pytest.mark.usefixtures("working")
async def test_the_chain_of_the_readme_runs(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = loaded("readme_chain", block("python", "@workflow.defn"), tmp_path, monkeypatch).ScreenOnly
    queue = f"readme-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[chain]):
        request = AskRequest.strictly({"question": "Who cleans the pond?"})
        screened = await client.execute_workflow(
            "screen-only", request, id=f"default:{uuid.uuid4()}", task_queue=queue, result_type=Screened
        )
    assert all(verdict.passed for verdict in screened.verdicts)
