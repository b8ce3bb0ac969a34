"""The model port and every kind of reply, and that it stops at once: a stub server misbehaves on purpose."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    ANY_TOOL,
    Message,
    ModelFailed,
    ModelUnreachable,
    ModelUnusable,
    PortError,
    Prompt,
    Sampling,
    StorageFailed,
    Usage,
    WrongModel,
)
from deploy.processes.ports import free_ports
from tests.ports.models.model_cases import (
    ASK,
    CALCULATOR,
    COLOUR,
    FEW,
    LOOK_UP,
    ME,
    STREAMS,
    Listener,
    catalogue,
    failure_of,
    model_for,
)
from tests.support.servers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, StubModel
from tests.support.waiting import until


@pytest.fixture
def model(tmp_path: Path, stub: StubModel) -> LiteLLMModel:
    return model_for(tmp_path, stub.url, idle_seconds=0.3)


async def test_a_calls_request_is_what_was_asked_for(model: LiteLLMModel, stub: StubModel) -> None:
    stub.script = [{"content": '{"colour": "red"}'}]
    ask = Prompt([Message("user", "Which?")], schema=COLOUR)
    await model.complete("fast", ask, Sampling(max_output_tokens=7, temperature=0.5, seed=3, logprobs=4), ME)
    (request,) = stub.requests
    assert request["messages"] == [{"role": "user", "content": "Which?"}]
    assert (request["max_tokens"], request["temperature"], request["seed"]) == (7, 0.5, 3)
    assert (request["logprobs"], request["top_logprobs"]) == (True, 4)
    assert request["response_format"]["json_schema"]["schema"] == COLOUR
    assert not request.get("stream")


@STREAMS
async def test_tools_are_called_as_the_server_calls_them(
    model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    called = [{"name": "calculator", "arguments": {"expression": text}} for text in ("1+1", "2+2")]
    stub.script = [{"tool_calls": called}]
    ask = Prompt([Message("user", "Sums?")], tools=[CALCULATOR], tool_choice=ANY_TOOL)
    completion = await model.complete("fast", ask, FEW, ME, Listener() if streams else None)
    assert [(call.id, call.name, json.loads(call.arguments)) for call in completion.tool_calls] == [
        ("call-1", "calculator", {"expression": "1+1"}),
        ("call-2", "calculator", {"expression": "2+2"}),
    ]
    assert (completion.finish_reason, completion.content) == ("tool_calls", "")
    (request,) = stub.requests
    assert request["tool_choice"] == "required"
    function = request["tools"][0]["function"]
    assert function["parameters"]["additionalProperties"] is False, "the schema goes out whole"
    assert function["strict"] is True


@STREAMS
@pytest.mark.parametrize("due", ["calculator", "look_up"])
async def test_the_tool_that_has_to_be_called_is_sent_alone_to_a_server_of_ones_own(
    due: str, model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    stub.script = [{"tool_calls": [{"name": due, "arguments": {"expression": "1+1"}}]}]
    ask = Prompt([Message("user", "Sums?")], tools=[CALCULATOR, LOOK_UP], tool_choice=due)
    await model.complete("fast", ask, FEW, ME, Listener() if streams else None)
    (request,) = stub.requests
    assert request["tool_choice"] == "required", "some servers do not hold a name"
    assert [tool["function"]["name"] for tool in request["tools"]] == [due]


async def test_usage_is_the_servers_own(model: LiteLLMModel) -> None:
    assert (await model.complete("fast", ASK, FEW, ME)).usage == Usage(INPUT_TOKENS, OUTPUT_TOKENS, 100)
    assert (await model.complete("fast", ASK, FEW, ME, Listener())).usage == Usage(INPUT_TOKENS, OUTPUT_TOKENS, 100)


@STREAMS
async def test_a_reply_without_usage_is_a_reply_whose_counts_are_missing(
    model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    stub.script = [{"usage": False}]
    if streams:  # a server that reports usage neither on the way nor at the end
        stub.script = [{"usage": False, "tool_calls": []}]
    completion = await model.complete("fast", ASK, FEW, ME, Listener() if streams else None)
    assert completion.usage == Usage(None, None)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
    ],
)
@STREAMS
async def test_a_finish_reason_has_one_word(
    theirs: str, ours: str, model: LiteLLMModel, stub: StubModel, *, streams: bool
) -> None:
    stub.script = [{"finish_reason": theirs}]
    assert (await model.complete("fast", ASK, FEW, ME, Listener() if streams else None)).finish_reason == ours


@STREAMS
async def test_an_aborted_reply_is_no_finished_one(model: LiteLLMModel, stub: StubModel, *, streams: bool) -> None:
    stub.script = [{"finish_reason": "abort"}]
    error = await failure_of(model, streams=streams)
    assert type(error) is ModelFailed
    assert "'abort'" in str(error)


@STREAMS
async def test_another_model_than_the_declared_one_is_not_used(
    tmp_path: Path, stub: StubModel, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub.url, answers_as='"stub"')
    await model.complete("fast", ASK, FEW, ME, Listener() if streams else None)
    stub.script = [{"model": "another"}]
    error = await failure_of(model, streams=streams)
    assert isinstance(error, WrongModel)
    assert "'another', not 'stub'" in str(error)
    assert not error.free_of_charge, "somebody did work"


MISBEHAVIOUR: list[tuple[Any, bool, type[PortError], str]] = [
    ("broken-json", False, ModelFailed, "no JSON"),
    ("broken-json", True, ModelFailed, "no JSON"),
    ("html", False, ModelUnusable, "page for people"),
    ("html", True, ModelUnusable, "page for people"),
    ("empty-stream", True, ModelFailed, "ended before it was whole"),
    ("empty-stream", False, ModelFailed, "of type 'text/event-stream'"),
    ("cut", True, ModelFailed, "broke in the middle"),
    ("stop-short", True, ModelFailed, "ended before it was whole"),
    ({"finish_reason": None}, True, ModelFailed, "ended before it was whole"),
    ("hang-mid", True, ModelFailed, "PERDURE_MODEL__IDLE_SECONDS"),
    ("drop", False, ModelFailed, "broke before it answered"),
    ("drop", True, ModelFailed, "broke before it answered"),
    ("big", False, ModelFailed, "does not keep to max_tokens"),
    ("big", True, ModelFailed, "does not keep to max_tokens"),
    ({"error_event": {"error": {"message": "x", "code": 503}}}, True, ModelFailed, "in the middle"),
    ({"error_event": {"object": "error", "message": "x", "code": 400}}, True, ModelFailed, "in the middle"),
]


@pytest.mark.parametrize(
    "case", MISBEHAVIOUR, ids=lambda case: f"{str(case[0])[:24]}-{'streamed' if case[1] else 'whole'}"
)
async def test_a_malformed_reply_is_a_clear_error(
    case: tuple[Any, bool, type[PortError], str], model: LiteLLMModel, stub: StubModel
) -> None:
    meets, streams, kind, sentence = case
    stub.script = [meets]
    error = await failure_of(model, streams=streams)
    assert type(error) is kind
    assert sentence in str(error)
    assert stub.calls == 1, "nothing is sent twice"


async def test_reading_stops_far_before_the_end_of_what_is_far_too_long(model: LiteLLMModel, stub: StubModel) -> None:
    stub.script = ["big"]
    listener = Listener()
    with pytest.raises(ModelFailed, match="cut off"):
        await model.complete("fast", ASK, FEW, ME, listener)
    assert len(listener.text) < 1_000_000
    await until(lambda: bool(stub.closed), what="the server noticed")
    assert stub.written < 9_000_000


@STREAMS
async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, stub: StubModel, *, streams: bool) -> None:
    model = LiteLLMModel(catalogue(tmp_path, stub.url), timeout_seconds=0.5)
    stub.script = ["hang"]
    error = await failure_of(model, streams=streams)
    assert type(error) is ModelFailed
    assert "within 0.5 s (PERDURE_MODEL__TIMEOUT_SECONDS)" in str(error)
    await until(lambda: bool(stub.closed), what="the socket is closed")


async def test_nothing_at_the_endpoint_costs_nothing(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    error = await failure_of(model_for(tmp_path, f"http://127.0.0.1:{port}/v1"), streams=True)
    assert isinstance(error, ModelUnreachable)


SPEAKING = {"stream": ["a "] * 400, "gap": 0.05}


@pytest.mark.parametrize(
    ("meets", "streams"),
    [("hang", False), ("hang", True), ({"seconds": 30}, False), ("hang-mid", True), (SPEAKING, True)],
)
async def test_cancelling_closes_the_socket_at_once(
    meets: Any, tmp_path: Path, stub: StubModel, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub.url)
    await model.complete("fast", ASK, FEW, ME)  # what is loaded at the first call is loaded
    stub.called.clear()
    stub.script = [meets]
    listener = Listener()
    call = asyncio.create_task(model.complete("fast", ASK, FEW, ME, listener if streams else None))
    await asyncio.wait_for(asyncio.to_thread(stub.called.wait), 10)
    if meets in ("hang-mid", SPEAKING):
        await until(lambda: bool(listener.text), what="it speaks")
    cancelled = time.time()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: bool(stub.closed), what="the server noticed", seconds=5)
    assert stub.closed[0] - cancelled < 1


async def test_a_listener_that_fails_ends_the_call_with_its_own_error(model: LiteLLMModel, stub: StubModel) -> None:
    stub.script = [SPEAKING]

    async def full(_piece: str, _usage: Usage | None) -> None:
        raise StorageFailed("the disk is gone")

    with pytest.raises(StorageFailed):
        await model.complete("fast", ASK, FEW, ME, full)
    await until(lambda: bool(stub.closed), what="the socket is closed", seconds=5)
