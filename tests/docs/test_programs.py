"""The programs that the pages print do what the pages say they do, on the stub model."""

import asyncio
import importlib
import re
import subprocess
import sys
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.settings import ROOT, environment_with
from agents.agent_file import parse_agent
from agents.chain_file import parse_chain
from perdure.contracts.chains.steps import Screened
from perdure.contracts.runs.run import AskRequest
from tests.docs.page_walk import BLOCKS, File, walk
from tests.replay.scenarios import reading
from tests.support.runs.agent_runs import answer, calls
from tests.support.servers.stub_model import StubModel
from tools.base import Approval, Tool, ToolContext
from tools.folder import all_tools

README = (ROOT / "README.md").read_text()
FILES = {step.path: step.text for step in walk(README) if isinstance(step, File)}

EXAMPLES = (ROOT / "perdure" / "EXAMPLES.md").read_text()
RECIPES = (ROOT / "CONTRIBUTING.md").read_text()


def program(page: str, containing: str) -> str:
    [found] = [text for kind, text in BLOCKS.findall(page) if kind == "python" and containing in text]
    return found


def loaded(name: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The block as a module of its own, so that the sandbox can load it again."""
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))  # pyright: ignore[reportUnknownMemberType] - untyped in pytest
    return importlib.import_module(name)


def test_every_program_of_the_pages_is_run_by_one_of_these_tests() -> None:
    run = [program(EXAMPLES, "platform.run_agent"), program(EXAMPLES, "platform.extract")]
    run.append(program(RECIPES, "@workflow.defn"))
    assert sorted(text for page in (EXAMPLES, RECIPES) for _, text in BLOCKS.findall(page)) == sorted(run)
    assert sorted(FILES) == ["agents/recipes.toml", "agents/travel.toml", "backend.py", "tools/mileage.py"]


def test_ci_runs_the_two_commands_that_a_newcomer_types_first() -> None:
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
    backend = FILES["backend.py"].replace("ticket-4711", f"ticket-{uuid.uuid4()}")
    assert "weeks" in await output_of(backend, client)


@pytest.mark.usefixtures("working")
async def test_a_backend_reads_a_record_as_the_page_says(client: Client, stub: StubModel) -> None:
    stub.script = [{"content": reading()}]
    output = await output_of(program(EXAMPLES, "platform.extract"), client)
    assert "total 120.00 120.00" in output
    assert "order_number None None" in output


@pytest.mark.usefixtures("working")
async def test_an_agent_does_a_task_as_the_page_says(client: Client, stub: StubModel) -> None:
    stub.script = [calls(("search_knowledge", {"query": "CS-40 depth"})), answer("250 metres.")]
    backend = program(EXAMPLES, "platform.run_agent").replace("task-4711", f"task-{uuid.uuid4()}")
    assert await output_of(backend, client) == "250 metres.\n"


async def output_of(text: str, client: Client) -> str:
    """What a program of a page prints, with nothing installed but what it imports."""
    backend = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        text,
        cwd=ROOT,
        env=environment_with(TEMPORAL_ADDRESS=client.service_client.config.target_host),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, complained = await asyncio.wait_for(backend.communicate(), 120)
    assert backend.returncode == 0, complained.decode()
    return output.decode()


async def test_the_tool_and_the_agent_of_the_readme_are_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mileage: Tool[Any] = loaded("readme_tool", FILES["tools/mileage.py"], tmp_path, monkeypatch).mileage
    context = ToolContext(tenant="default", run="r", step="s", key="k")
    assert await mileage.use(context, {"kilometres": 120}) == "84.00 euros"
    spec = parse_agent("travel", FILES["agents/travel.toml"].encode(), {**all_tools(), "mileage": mileage})
    assert {tool.name: tool.approval for tool in spec.tools} == {
        "mileage": Approval.NEVER,
        "send_message": Approval.ALWAYS,
    }


def test_the_chain_of_the_readme_can_be_loaded() -> None:
    spec = parse_chain("recipes", FILES["agents/recipes.toml"].encode())
    assert spec.collection == "recipes"
    assert [guard.guard for guard in (*spec.screen, *spec.check)] == ["secrets_present", "citations_verbatim"]


@pytest.mark.usefixtures("working")
async def test_the_chain_of_the_recipe_runs(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = loaded("recipe_chain", program(RECIPES, "@workflow.defn"), tmp_path, monkeypatch).ScreenOnly
    queue = f"recipe-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[chain]):
        request = AskRequest.strictly({"question": "Who cleans the pond?"})
        screened = await client.execute_workflow(
            "screen-only", request, id=f"default:{uuid.uuid4()}", task_queue=queue, result_type=Screened
        )
    assert all(verdict.passed for verdict in screened.verdicts)
