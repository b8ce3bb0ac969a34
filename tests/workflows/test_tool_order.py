"""A grant says which tools have to return before: until then a call is not made, and nobody is asked for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.settings import Settings, Tools
from deploy.local.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.decisions import Ruling
from perdure.contracts.run import Answered
from tests.support.agent_runs import (
    MESSAGE,
    READS,
    TICKET,
    answer,
    calls,
    says,
    tool_messages,
    waits,
    with_agents,
    write_agent,
)
from tests.support.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

GRANTS = """
[tools.create_ticket]
after = ["search_knowledge"]
[tools.send_message]
after = ["search_knowledge", "create_ticket"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    with DeskServer(0, tmp_path / "desk.db") as server:
        yield server


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "careful", READS, after=GRANTS)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


async def test_a_tool_that_comes_too_early_is_not_called_and_nobody_is_asked_for_it(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    search = ("search_knowledge", {"query": "parental leave"})
    stub.script = [calls(TICKET), calls(MESSAGE), calls(search, TICKET), calls(TICKET), calls(MESSAGE), answer()]
    run = await platform.start_agent("Look it up, then tell them.", agent="careful")
    [step] = await waits(platform, run)
    assert step.step == "call-5-1"
    await platform.decide(run, says(step, Ruling.APPROVE))
    assert isinstance((await platform.result(run)).outcome, Answered)
    early, unsent, _, beside, opened, sent = tool_messages(stub.requests[-1])
    for told in (early, beside):
        assert "create_ticket was not called: search_knowledge must return something first" in told
    assert "send_message was not called: search_knowledge and create_ticket must return something first" in unsent
    assert ("T-1" in opened, "M-2" in sent) == (True, True)
    assert [len(keys) for keys in desk.desk.received().values()] == [1, 1]
