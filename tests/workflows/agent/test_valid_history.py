"""Whatever a model writes as a tool call, its server gets a history that it can parse, and the run goes on."""

from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Accepted, Ruling
from tests.support.runs.agent_runs import MESSAGE, answer, calls, says, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

NATIVE = """
[tiers]
fast = ["fast"]
[deployments.fast]
model = "stub"
provider = "hosted_vllm"
endpoint = "http://127.0.0.1:1/v1"
context_window = 32768
concurrency = 8
capabilities = { tools = "native", json_schema = true }
prices = { input = 20_000, output = 60_000 }
"""
"""A catalogue whose server makes tool calls itself, so that it is sent them back as calls."""


def raw(*tool_calls: tuple[str, str]) -> dict[str, Any]:
    """An item of the stub's script: calls with their arguments as the text that the model writes."""
    return {"tool_calls": [{"name": name, "arguments": arguments} for name, arguments in tool_calls]}


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    (tmp_path / "catalogue.toml").write_text(NATIVE)
    found = with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))
    model = found.model.model_copy(update={"endpoints": {"fast": found.model.endpoints["fast"]}})
    paths = found.paths.model_copy(update={"catalogue": tmp_path / "catalogue.toml"})
    return found.model_copy(update={"model": model, "paths": paths})


def results(stub: StubModel) -> list[str]:
    return [message["content"] for message in stub.requests[-1]["messages"] if message["role"] == "tool"]


def sent_back(stub: StubModel) -> list[tuple[str, str]]:
    """The calls in the last request, each with its name and its arguments."""
    return [
        (call["function"]["name"], call["function"]["arguments"])
        for message in stub.requests[-1]["messages"]
        for call in message.get("tool_calls", ())
    ]


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        ("", "expression: Field required"),
        ('{"expression": "6*7"}{"expression": "1+1"}', "it holds more than one value"),
        ('{"expression": "6*', "Unterminated string"),
        ('{"expression": NaN}', "NaN is no number"),
        ('{"expression": "6*7", "expression": "1+1"}', "expression"),
        ('["6*7"]', "they are no JSON object"),
        ('{"expression": "\\ud83d"}', "half of a character"),
    ],
)
async def test_arguments_that_cannot_be_read_go_back_as_an_object_and_the_model_is_told_why(
    platform: Platform, stub: StubModel, arguments: str, mentioned: str
) -> None:
    stub.script = [raw(("calculator", arguments)), answer("I went on.")]
    result = await platform.run_agent("Count.", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert sent_back(stub) == [("calculator", "{}")]
    [told] = results(stub)
    assert mentioned in told
    assert told.startswith("calculator gave no result.")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("calculator", '{"expression": "6*7",}'),
        ("calculator", '```json\n{"expression": "6*7"}\n```'),
        ("calculator", '"{\\"expression\\": \\"6*7\\"}"'),
        ("functions.calculator", '{"expression":"6*7"}'),
        (" calculator", '\ufeff{"expression": "6*7"}'),
    ],
)
async def test_a_call_that_can_mean_only_one_thing_is_made_and_goes_back_in_its_plain_form(
    platform: Platform, stub: StubModel, name: str, arguments: str
) -> None:
    stub.script = [raw((name, arguments)), answer("42.")]
    result = await platform.run_agent("Count.", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert sent_back(stub) == [("calculator", '{"expression": "6*7"}')]
    assert "\n42\n" in results(stub)[0]


@pytest.mark.parametrize("name", ["", "no such tool!", "system.run:0", "x" * 300, "büro\0"])
async def test_a_name_that_no_protocol_takes_goes_back_as_one_that_it_does(
    platform: Platform, stub: StubModel, name: str
) -> None:
    stub.script = [raw((name, "{}"), ("calculator", '{"expression": "6*7"}')), answer("I went on.")]
    result = await platform.run_agent("Count.", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert "There is no tool" in results(stub)[0]
    assert "42" in results(stub)[1]


async def test_a_person_is_shown_exactly_what_the_tool_is_sent(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    stub.script = [raw((MESSAGE[0], '{"to":"facilit\\u0069es",\n"text":"Eighteen weeks.",}')), answer()]
    run = await platform.start_agent("Tell them.", agent="tester")
    [step] = await waits(platform, run)
    assert step.arguments.body == '{"to": "facilities", "text": "Eighteen weeks."}'
    assert isinstance((await platform.decide(run, says(step, Ruling.APPROVE))).came, Accepted)
    assert isinstance((await platform.result(run)).outcome, Answered)
    [key] = desk.desk.received()["messages"]
    [message] = desk.desk.became("messages", key)["messages"]
    assert (message["to"], message["text"]) == ("facilities", "Eighteen weeks.")
    assert sent_back(stub) == [(MESSAGE[0], step.arguments.body)]


async def test_nobody_is_asked_about_a_call_with_a_key_that_stands_twice(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    twice = '{"to": "facilities", "text": "Eighteen weeks.", "to": "everybody"}'
    stub.script = [raw((MESSAGE[0], twice)), calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="tester")
    [step] = await waits(platform, run)
    assert step.step == "call-2-1"
    assert "twice: write it once" in results(stub)[0]
    await platform.decide(run, says(step, Ruling.DENY))
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert desk.desk.received()["messages"] == {}
