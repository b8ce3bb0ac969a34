"""The model port and SGLang's special behaviour: a stub over HTTP gives the replies that the real server gave.

The same server, without a stub, is under the suite of `test_model.py` and in `tests/services/test_sglang.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    Caller,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnusable,
    PortError,
    Prompt,
    Usage,
)
from tests.ports.models.model_cases import (
    ASK,
    CALCULATOR,
    FEW,
    LOOK_UP,
    ME,
    STREAMS,
    Listener,
    failure_of,
)
from tests.ports.models.sglang_cases import WITH_TOOLS, model_for
from tests.support.servers.stub_sglang import SERVED, StubSGLang, recorded


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


@pytest.fixture
def model(tmp_path: Path, stub: StubSGLang) -> LiteLLMModel:
    return model_for(tmp_path, stub)


# What it is asked.


@STREAMS
async def test_the_server_is_told_who_asks_and_never_the_tenants_name(
    model: LiteLLMModel, stub: StubSGLang, *, streams: bool
) -> None:
    callers = [ME, Caller("acme", "run-2-generate-1", priority=5), Caller("other", "run-3-generate-1")]
    for caller in callers:
        await model.complete("fast", ASK, FEW, caller, Listener() if streams else None)
    assert [request["priority"] for request in stub.requests] == [6, 0, 4], "SGLang's larger wins, Temporal's smaller"
    assert all(
        request["rid"].startswith(f"{caller.request_id}-")
        for caller, request in zip(callers, stub.requests, strict=True)
    )
    mine, also_mine, others = [request["cache_salt"] for request in stub.requests]
    assert mine == also_mine != others
    assert "acme" not in json.dumps(stub.requests)


async def test_usage_is_asked_for_on_the_way_and_tools_are_strict(model: LiteLLMModel, stub: StubSGLang) -> None:
    await model.complete("fast", WITH_TOOLS, FEW, ME, Listener())
    (request,) = stub.requests
    assert request["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert request["tools"][0]["function"]["strict"] is True


@STREAMS
async def test_the_tool_that_is_due_is_all_that_it_may_call(
    model: LiteLLMModel, stub: StubSGLang, *, streams: bool
) -> None:
    """SGLang 0.5.23 lets a forced call choose any of the tools that it is sent."""
    for due in (CALCULATOR, LOOK_UP):
        ask = Prompt(ASK.messages, tools=[CALCULATOR, LOOK_UP], tool_choice=due.name)
        await model.complete("fast", ask, FEW, ME, Listener() if streams else None)
        request = stub.requests[-1]
        [tool] = request["tools"]
        assert (tool["function"]["name"], tool["function"]["strict"]) == (due.name, True)
        assert tool["function"]["parameters"] == due.parameters
        assert request["tool_choice"] == "required"


async def test_what_it_streams_is_counted_on_the_way_with_its_cached_tokens(
    model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.script = [recorded("stream-continuous-usage")]
    listener = Listener()
    completion = await model.complete("fast", ASK, FEW, ME, listener)
    assert listener.counts == [1, 2, 3, 3]
    assert completion.usage == Usage(37, 3, 36)
    assert (completion.content, completion.finish_reason) == ("The capital of", "length")


# What it refuses.


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        ("chat-bad-request", ModelRefused, "refused the request (status 400)"),
        ("chat-noauth", ModelUnusable, "does not accept the key"),
        ("queue-full", ModelOverloaded, "overloaded"),
        ("displaced", ModelOverloaded, "gave way to more urgent ones"),
        ("lora-chat-unknown", ModelUnusable, "has not loaded the adapter"),
        ("chat-lora-disabled", ModelUnusable, "has not loaded the adapter"),
    ],
)
@STREAMS
async def test_a_recorded_refusal_is_the_ports_error_and_its_words_stay_here(
    reply: str, kind: type[PortError], sentence: str, model: LiteLLMModel, stub: StubSGLang, *, streams: bool
) -> None:
    stub.script = [recorded(reply)]
    error = await failure_of(model, streams=streams)
    assert type(error) is kind
    assert sentence in str(error)
    assert "served-model" not in str(error), "a path of the server's"
    assert error.free_of_charge
    assert error.retry_after is None, "it does not say when to come back"
    assert stub.aborted == [], "there is nothing to stop"


async def test_a_refusal_in_a_reply_with_status_200_is_one(model: LiteLLMModel, stub: StubSGLang) -> None:
    stub.script = [{**recorded("displaced"), "status": 200}]
    assert type(await failure_of(model, streams=False)) is ModelOverloaded


@pytest.mark.parametrize(("reply", "streams"), [("chat-aborted", False), ("stream-aborted", True)])
async def test_a_reply_that_the_server_aborted_may_have_cost_something(
    reply: str, model: LiteLLMModel, stub: StubSGLang, *, streams: bool
) -> None:
    stub.script = [recorded(reply)]
    error = await failure_of(model, streams=streams)
    assert type(error) is ModelFailed
    assert "('abort'): what the call cost is unknown" in str(error)
    assert not error.free_of_charge


# A call of a tool that max_tokens cut.

CUT = '<tool_call>{"name": "calculator", "arguments": {"expr'


async def test_a_cut_call_is_neither_text_nor_a_call(model: LiteLLMModel, stub: StubSGLang) -> None:
    reply = recorded("tool-call-cut")
    assert reply["body"]["choices"][0]["message"]["content"].startswith("<tool_call>{")
    stub.script = [reply]
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME)
    assert (completion.content, completion.tool_calls, completion.finish_reason) == ("", (), "length")


async def test_a_cut_call_is_shown_to_nobody_while_it_streams(model: LiteLLMModel, stub: StubSGLang) -> None:
    stub.script = [{"stream": ["I reckon", " <to", "ol_ca", CUT.removeprefix("<tool_ca")], "finish_reason": "length"}]
    listener = Listener()
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, listener)
    assert completion.content == listener.text == "I reckon "
    assert completion.finish_reason == "length"


async def test_what_follows_a_call_is_no_text(model: LiteLLMModel, stub: StubSGLang) -> None:
    def event(delta: dict[str, Any], reason: str | None = None) -> str:
        return "data: " + json.dumps({"model": SERVED, "choices": [{"delta": delta, "finish_reason": reason}]})

    function = {"name": "calculator", "arguments": '{"expression": "1+1"}'}
    call = {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}
    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}'
    lines = [event({"content": "So: "}), event(call), event({"content": "Output: 3"}), event({}, "tool_calls"), usage]
    stub.script = [{"sse": lines}]
    listener = Listener()
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, listener)
    assert completion.content == listener.text == "So: "
    assert [call.id for call in completion.tool_calls] == ["1"]


async def test_half_of_a_calls_arguments_are_no_call(model: LiteLLMModel, stub: StubSGLang) -> None:
    whole = {"id": "1", "function": {"name": "calculator", "arguments": '{"expression": "1+1"}'}}
    half = {"id": "2", "function": {"name": "calculator", "arguments": '{"expr'}}
    reply = recorded("tool-call-cut")
    reply["body"]["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [whole, half]}
    stub.script = [reply]
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME)
    assert ([call.id for call in completion.tool_calls], completion.finish_reason) == (["1"], "length")


async def test_words_that_only_look_like_a_call_are_shown_in_the_end(model: LiteLLMModel, stub: StubSGLang) -> None:
    stub.script = [{"stream": ["a <to", "ken", " and [TOOL", "_CALLS] too"]}]
    listener = Listener()
    completion = await model.complete("fast", WITH_TOOLS, FEW, ME, listener)
    assert completion.content == listener.text == "a <token and [TOOL_CALLS] too"
