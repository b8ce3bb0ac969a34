"""The stub model replies and fails as its script says, and bills every call before it replies."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    Caller,
    Completion,
    Message,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    Prompt,
    Sampling,
    ToolSchema,
    Usage,
)
from deploy.testing.stack import CATALOGUE
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Prices
from perdure.testing import Checkout, Script, StubModel, answer, calls, stub_model
from tests.support.waiting import until

PRICES = Prices(input=2_000_000, output=5_000_000)

ADD = ToolSchema("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


@pytest.fixture(scope="module")
def stub(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubModel]:
    with stub_model(checkout, folder=tmp_path_factory.mktemp("stub"), prices=PRICES) as served:
        yield served


@pytest.fixture
def model(stub: StubModel, tmp_path: Path) -> LiteLLMModel:
    """The platform's own way to a model, over the catalogue entry that a rehearsal writes."""
    catalogue = tmp_path / "catalogue.toml"
    numbers = {"context": 1000, "input": PRICES.input, "output": PRICES.output}
    catalogue.write_text(CATALOGUE.format(model="stub", url=stub.url, **numbers))
    return LiteLLMModel(CatalogueFile(catalogue, {}), timeout_seconds=20)


async def complete(
    model: LiteLLMModel, script: Script, *turns: Message, streams: bool = True, most: int = 100
) -> Completion:
    async def hear(_: str, __: Usage | None) -> None: ...

    system = [Message("system", "Be useful."), Message("user", "An example."), Message("assistant", "Its answer.")]
    return await model.complete(
        "stub",
        Prompt([*system, Message("user", script.task()), *turns], tools=[ADD]),
        Sampling(max_output_tokens=most),
        Caller("default", "r", 3),
        hear if streams else None,
    )


@pytest.mark.parametrize("streams", [True, False])
async def test_the_turn_is_told_by_the_conversation(model: LiteLLMModel, streams: bool) -> None:  # noqa: FBT001 - pytest
    script = Script.of(f"turns-{streams}", [calls(("add", {"a": 1}), ("add", {"a": 2})), answer("3")])
    first = await complete(model, script, streams=streams)
    assert [(call.name, json.loads(call.arguments)) for call in first.tool_calls] == [
        ("add", {"a": 1}),
        ("add", {"a": 2}),
    ]
    assert first.finish_reason == "tool_calls"
    asked = Message("assistant", "", first.tool_calls)
    results = [Message("tool", "1", tool_call_id=call.id) for call in first.tool_calls]
    second = await complete(model, script, asked, *results, streams=streams)
    assert (second.content, second.tool_calls, second.finish_reason) == ("3", (), "stop")
    again = await complete(model, script, streams=streams)
    assert [call.arguments for call in again.tool_calls] == [call.arguments for call in first.tool_calls]


async def test_what_is_billed_is_what_the_reply_reports(model: LiteLLMModel, stub: StubModel) -> None:
    one = await complete(model, Script.of("bill", [answer("word " * 40)]))
    two = await complete(model, Script.of("bill", [answer("x", input_tokens=7, output_tokens=3)]))
    cut = await complete(model, Script.of("bill", [answer("x", input_tokens=7, output_tokens=300)]), most=5)
    assert (two.usage.input_tokens, two.usage.output_tokens, cut.usage.output_tokens) == (7, 3, 5)
    counts = [(usage.input_tokens or 0, usage.output_tokens or 0) for usage in (one.usage, two.usage, cut.usage)]
    assert (counts[0][1], counts[0][0] > 30) == (50, True)
    each = [(sent, written, 2 * sent + 5 * written) for sent, written in counts]
    billed = stub.bill.calls("bill")
    assert [(call.input_tokens, call.output_tokens, call.micro_dollars) for call in billed] == each
    assert [(call.turn, call.attempt, call.met, call.model) for call in billed] == [
        (1, attempt, "answered", "stub") for attempt in (1, 2, 3)
    ]
    assert stub.bill.spend("bill") == Spend(
        steps=3,
        input_tokens=sum(one for one, _, _ in each),
        output_tokens=sum(two for _, two, _ in each),
        micro_dollars=sum(price for _, _, price in each),
    )


async def test_the_first_calls_of_a_turn_fail_and_cost_nothing(model: LiteLLMModel, stub: StubModel) -> None:
    script = Script.of("overloaded", [answer("x", fails=2)])
    for _ in range(2):
        with pytest.raises(ModelOverloaded):
            await complete(model, script)
    assert (await complete(model, script)).content == "x"
    assert [(call.attempt, call.met, call.paid) for call in stub.bill.calls("overloaded")] == [
        (1, "503", False),
        (2, "503", False),
        (3, "answered", True),
    ]
    assert stub.bill.spend("overloaded").steps == 1


async def test_a_reply_that_is_dropped_is_billed(model: LiteLLMModel, stub: StubModel) -> None:
    script = Script.of("dropped", [answer("x", fails=1, drop=True, output_tokens=9)])
    with pytest.raises(ModelFailed):
        await complete(model, script)
    assert (await complete(model, script)).content == "x"
    assert [(call.met, call.output_tokens) for call in stub.bill.calls("dropped")] == [("dropped", 9), ("answered", 9)]
    assert stub.bill.spend("dropped").output_tokens == 18


async def test_a_call_is_billed_before_its_reply_and_whoever_waits_may_go(model: LiteLLMModel, stub: StubModel) -> None:
    task = asyncio.create_task(complete(model, Script.of("gone", [answer("x", pause=600)])))
    await until(lambda: bool(stub.bill.calls("gone")), what="the call is billed")
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stub.bill.spend("gone").steps == 1


async def test_a_conversation_that_has_left_its_script_is_refused(model: LiteLLMModel, stub: StubModel) -> None:
    script = Script.of("short", [answer("x")])
    with pytest.raises(ModelRefused):
        await complete(model, script, Message("assistant", "x"), Message("user", "And now?"))
    messages = [{"role": "user", "content": script.task()}, {"role": "assistant", "content": "x"}]
    async with httpx.AsyncClient(trust_env=False) as client:
        refused = await client.post(f"{stub.url}/chat/completions", json={"model": "stub", "messages": messages})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "stub: the script of 'short' has 1 turns, and this is turn 2"
    assert stub.bill.calls("short") == []


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"model": "stub"}', b'{"messages": 3}'])
async def test_what_is_no_chat_completion_is_refused(stub: StubModel, body: bytes) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        refused = await client.post(f"{stub.url}/chat/completions", content=body)
    assert (refused.status_code, refused.json()["error"]["message"].startswith("stub: ")) == (400, True)


def test_a_stub_that_is_started_again_goes_on_with_its_bill(checkout: Checkout, tmp_path: Path) -> None:
    script = Script.of("again", [answer("x", fails=1)])
    asked = {"model": "stub", "messages": [{"role": "user", "content": script.task()}]}
    statuses: list[int] = []
    met: list[str] = []
    for _ in range(2):
        with stub_model(checkout, folder=tmp_path) as stub:
            with httpx.Client(trust_env=False) as client:
                statuses.append(client.post(f"{stub.url}/chat/completions", json=asked).status_code)
            met = [call.met for call in stub.bill.calls("again")]
    assert statuses == [503, 200]
    assert met == ["503", "answered"]
