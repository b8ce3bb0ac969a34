"""The order of an agent's tool calls: the tool it begins with, and tools that need another tool's result first."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from temporalio.client import Client

from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from deploy.prompts.report import report
from deploy.prompts.show_prompt import rebuilt
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Ruling
from tests.support.runs.agent_runs import (
    MESSAGE,
    READS,
    SUM,
    TICKET,
    answer,
    calls,
    says,
    tool_messages,
    waits,
    with_agents,
    write_agent,
)
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

SEARCH = ("search_knowledge", {"query": "parental leave"})

GRANTS = """
[tools.create_ticket]
after = ["search_knowledge"]
[tools.send_message]
after = ["search_knowledge", "create_ticket"]
"""


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "careful", READS, after=GRANTS)
    write_agent(tmp_path, "searcher", READS, 'begins_with = "search_knowledge"')
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


async def test_a_tool_that_comes_too_early_is_not_called_and_nobody_is_asked_for_it(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    stub.script = [calls(TICKET), calls(MESSAGE), calls(SEARCH, TICKET), calls(TICKET), calls(MESSAGE), answer()]
    run = await platform.start_agent("Look it up, then tell them.", agent="careful")
    [step] = await waits(platform, run)
    assert step.step == "call-5-1"
    await platform.decide(run, says(step, Ruling.APPROVE))
    assert isinstance((await platform.result(run)).outcome, Answered)
    early, unsent, _, beside, opened, sent = tool_messages(stub.requests[-1])
    for message in (early, beside):
        assert "create_ticket was not called: search_knowledge must return something first" in message
    assert "send_message was not called: search_knowledge and create_ticket must return something first" in unsent
    assert ("T-1" in opened, "M-2" in sent) == (True, True)
    assert [len(keys) for keys in desk.desk.received().values()] == [1, 1]


async def test_only_the_first_thought_has_to_call_what_the_agent_begins_with(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [calls(SEARCH), calls(SUM), answer()]
    assert isinstance((await platform.run_agent("Look it up.", agent="searcher")).outcome, Answered)
    allowed = [offered(request) for request in stub.requests]
    assert allowed == [["search_knowledge"], [*READS, None], [*READS, None]]
    beginnings = {request["messages"][0]["content"] for request in stub.requests}
    assert len(beginnings) == 1, "what stays the same is computed once"


async def test_the_tool_that_a_thought_had_to_call_is_shown_with_its_prompt(
    platform: Platform, stub: StubModel, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script = [calls(SEARCH), answer()]
    run = await platform.start_agent("Look it up.", agent="searcher")
    await platform.result(run)
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    for number, required_tool in ((1, "search_knowledge"), (2, None)):
        prompt = await rebuilt(settings, run, f"think-{number}", "default")
        assert (prompt.digest, prompt.fields()["tool_choice"]) == (prompt.recorded, required_tool)
        console = Console(record=True, width=200, file=StringIO())
        report(prompt, console)
        assert ("search_knowledge: a self-hosted server gets this tool alone" in console.export_text()) == bool(
            required_tool
        )


def offered(request: Mapping[str, Any]) -> list[str | None]:
    """Return the names of the tools that a reply may call; None stands for an answer."""
    choices = request["response_format"]["json_schema"]["schema"]["anyOf"]
    return [choice["properties"].get("tool", {}).get("const") for choice in choices]
