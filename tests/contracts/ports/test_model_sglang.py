"""What the model port makes of SGLang's own ways: a stub over HTTP gives the replies that the real server gave.

The same server, without a stub, is under the suite of `test_model.py` and in `tests/services/test_sglang.py`.
"""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters import served_models
from activities.adapters.litellm_model import LiteLLMModel
from activities.ports import (
    Caller,
    ModelFailed,
    ModelOverloaded,
    ModelRefused,
    ModelUnreachable,
    ModelUnusable,
    NotConfigured,
    PortError,
    Prompt,
    Sampling,
    Usage,
)
from perdure.contracts.remedy import Remedy
from tests.contracts.ports.model_cases import (
    ASK,
    CALCULATOR,
    FEW,
    ME,
    STREAMS,
    Listener,
    catalogue,
    failure_of,
)
from tests.support.stub_sglang import SERVED, StubSGLang, recorded
from tests.support.waiting import until

CAPABLE = '{ tools = "native", json_schema = true, logprobs = true, adapters = true }'
WITH_TOOLS = Prompt(ASK.messages, tools=[CALCULATOR])


def model_for(
    folder: Path, stub: StubSGLang, *, timeout_seconds: float = 30, keys: dict[str, str] | None = None, **extra: Any
) -> LiteLLMModel:
    lines = {"provider": '"sglang"', "capabilities": CAPABLE, **extra}
    return LiteLLMModel(
        catalogue(folder, stub.url, **{"model": SERVED, **lines}),
        timeout_seconds=timeout_seconds,
        api_keys={name: SecretStr(key) for name, key in (keys or {}).items()},
    )


@pytest.fixture
def stub() -> Any:
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


async def test_what_it_streams_is_counted_on_the_way_with_its_cached_tokens(
    model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.script = [recorded("stream-continuous-usage")]
    listener = Listener()
    completion = await model.complete("fast", ASK, FEW, ME, listener)
    assert listener.counts == [1, 2, 3, 3, 3]
    assert completion.usage == Usage(37, 3, 36)
    assert (completion.content, completion.finish_reason) == ("The capital of", "length")


# Which model it serves.


async def test_a_model_that_it_does_not_serve_is_never_asked_for(tmp_path: Path, stub: StubSGLang) -> None:
    # The real server answered such a request, as `chat-unknown-model` shows: by its base model, under the asked name.
    assert recorded("chat-unknown-model")["body"]["model"] == "nope"
    error = await failure_of(model_for(tmp_path, stub, model="nope", answers_as='"nope"'), streams=True)
    assert type(error) is ModelUnusable
    assert "its server serves 'smollm2', not 'nope'" in str(error)
    assert (stub.calls, error.free_of_charge, error.remedy) == (0, True, Remedy.FALL_BACK)


async def test_a_model_that_is_named_by_a_path_is_not_repeated(tmp_path: Path, stub: StubSGLang) -> None:
    stub.doors["/v1/models"]["body"]["data"][0]["id"] = "/models/served-model"
    error = await failure_of(model_for(tmp_path, stub), streams=False)
    assert "its server serves a path, not 'smollm2'" in str(error)
    assert "served-model" not in str(error)


async def test_what_it_serves_is_asked_once_for_many_calls(model: LiteLLMModel, stub: StubSGLang) -> None:
    await asyncio.gather(*(model.complete("fast", ASK, FEW, ME) for _ in range(4)))
    await model.complete("fast", ASK, FEW, ME, Listener())
    assert len(stub.asked_at("/v1/models")) == 1
    assert stub.calls == 5


async def test_what_it_serves_is_asked_again_after_a_while(
    model: LiteLLMModel, stub: StubSGLang, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_models, "ASK_EVERY", 0.0)
    await model.complete("fast", ASK, FEW, ME)
    stub.doors["/v1/models"]["body"]["data"][0]["id"] = "another"
    assert isinstance(await failure_of(model, streams=False), ModelUnusable)
    assert stub.calls == 1


@pytest.mark.parametrize("meets", ["drop", {"status": 500, "body": {}}])
async def test_what_it_serves_is_asked_again_after_a_call_that_broke(
    meets: Any, model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.script = ["answer", meets]
    await model.complete("fast", ASK, FEW, ME)
    assert type(await failure_of(model, streams=False)) is ModelFailed
    stub.doors["/v1/models"]["body"]["data"][0]["id"] = "another"
    assert isinstance(await failure_of(model, streams=False), ModelUnusable)
    assert stub.calls == 2


@pytest.mark.parametrize(
    ("meets", "kind", "says"),
    [
        (recorded("chat-noauth"), ModelUnusable, "does not accept the key"),
        ({"status": 404, "body": {}}, ModelUnusable, "no such model or address"),
        ({"status": 503, "body": {}}, ModelOverloaded, "overloaded or still loading"),
        ({"status": 500, "body": {"message": "in server.py"}}, ModelUnreachable, "does not say which model"),
        ({"status": 200, "body": {"object": "error", "message": "in server.py"}}, ModelUnreachable, "status 200"),
        ("html", ModelUnreachable, "does not say which model"),
        ("drop", ModelUnreachable, "broke the connection"),
        ("hang", ModelUnreachable, "did not answer within 0.2 s"),
    ],
)
async def test_a_server_that_does_not_say_what_it_serves_gets_nothing(
    meets: Any, kind: type[PortError], says: str, tmp_path: Path, stub: StubSGLang
) -> None:
    stub.doors["/v1/models"] = meets
    error = await failure_of(model_for(tmp_path, stub, timeout_seconds=0.4), streams=False)
    assert type(error) is kind
    assert says in str(error)
    assert "server.py" not in str(error)
    assert (stub.calls, error.free_of_charge) == (0, True)


# Adapters.


async def test_an_adapter_is_asked_for_with_its_base(tmp_path: Path, stub: StubSGLang) -> None:
    stub.doors["/v1/models"] = recorded("lora-models")
    model = model_for(tmp_path, stub, adapter='"lora-b"', answers_as='"smollm2:lora-b"')
    assert recorded("lora-chat-model-colon")["body"]["model"] == "smollm2:lora-b", "how the real server answers"
    assert (await model.complete("fast", ASK, FEW, ME)).model == "smollm2:lora-b"
    assert stub.requests[0]["model"] == "smollm2:lora-b"


async def test_an_adapter_that_is_not_loaded_is_never_asked_for(tmp_path: Path, stub: StubSGLang) -> None:
    stub.doors["/v1/models"] = recorded("lora-models")
    error = await failure_of(model_for(tmp_path, stub, adapter='"lora-z"'), streams=False)
    assert isinstance(error, ModelUnusable)
    assert "has not loaded the adapter 'lora-z'" in str(error)
    assert stub.calls == 0


async def test_an_adapter_is_no_model_of_its_own(tmp_path: Path, stub: StubSGLang) -> None:
    # The real server lists it, and answers for it by the base model.
    stub.doors["/v1/models"] = recorded("lora-models")
    assert isinstance(await failure_of(model_for(tmp_path, stub, model="lora-b"), streams=False), ModelUnusable)


# What it refuses.


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
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
    reply: str, kind: type[PortError], says: str, model: LiteLLMModel, stub: StubSGLang, *, streams: bool
) -> None:
    stub.script = [recorded(reply)]
    error = await failure_of(model, streams=streams)
    assert type(error) is kind
    assert says in str(error)
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
    words = [event({"content": "So: "}), event(call), event({"content": "Output: 3"}), event({}, "tool_calls"), usage]
    stub.script = [{"sse": words}]
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


# Stopping.


@pytest.mark.parametrize(("meets", "streams"), [("hang", False), ("hang", True), ("hang-mid", True)])
async def test_cancelling_tells_the_server_to_stop_by_the_requests_name(
    meets: str, tmp_path: Path, stub: StubSGLang, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub, keys={"fast": "sk-user", "boss": "sk-admin"}, admin_key='"boss"')
    stub.doors["/abort_request"] = {"status": 200, "body": {}}
    await cancelled(model, stub, meets, streams=streams)
    assert stub.asked_at("/abort_request") == [("Bearer sk-admin", {"rid": stub.requests[0]["rid"]})]
    await until(lambda: bool(stub.closed), what="the socket is closed too", seconds=5)


async def test_without_an_admin_key_the_deployments_own_is_used(tmp_path: Path, stub: StubSGLang) -> None:
    model = model_for(tmp_path, stub, keys={"fast": "sk-user"})
    stub.doors["/abort_request"] = recorded("abort_request-userkey")
    await cancelled(model, stub, "hang", streams=False)
    assert [key for key, _ in stub.asked_at("/abort_request")] == ["Bearer sk-user"]


async def test_a_server_that_does_not_hear_the_stop_holds_a_cancelled_call_for_a_second_at_most(
    model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.doors["/abort_request"] = "hang"
    began = time.monotonic()
    await cancelled(model, stub, "hang", streams=False)
    assert time.monotonic() - began < 10
    assert len(stub.aborted) == 1


async def test_the_stop_reaches_the_server_where_the_caller_is_cancelled_twice(
    model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.doors["/abort_request"] = {"seconds": 0.2, "status": 200, "body": {}}
    stub.script = ["hang"]
    call = asyncio.create_task(model.complete("fast", ASK, FEW, ME))
    await asyncio.to_thread(stub.called.wait, 10)
    call.cancel()
    asyncio.get_running_loop().call_soon(call.cancel)
    asyncio.get_running_loop().call_later(0.001, call.cancel)
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: bool(stub.aborted), what="the server is told", seconds=5)


async def test_a_call_that_takes_too_long_is_stopped_on_the_server(tmp_path: Path, stub: StubSGLang) -> None:
    model = model_for(tmp_path, stub, timeout_seconds=0.5)
    stub.script = ["hang"]
    assert type(await failure_of(model, streams=False)) is ModelFailed
    assert len(stub.aborted) == 1


async def test_a_call_that_ended_is_not_stopped(model: LiteLLMModel, stub: StubSGLang) -> None:
    await model.complete("fast", ASK, Sampling(8), ME)
    await model.complete("fast", ASK, Sampling(8), ME, Listener())
    assert stub.aborted == []


async def test_an_admin_key_that_is_not_set_is_named(tmp_path: Path, stub: StubSGLang) -> None:
    with pytest.raises(NotConfigured, match="'fast' needs the key 'boss'"):
        await model_for(tmp_path, stub, admin_key='"boss"').complete("fast", ASK, FEW, ME)


async def test_what_would_tell_its_keys_is_never_asked(model: LiteLLMModel, stub: StubSGLang) -> None:
    stub.script = ["answer", "drop", {"status": 500, "body": {}}]
    await model.complete("fast", ASK, FEW, ME)
    for _ in range(2):
        await failure_of(model, streams=True)
    assert {path for path, _, _ in stub.asked} <= {"/v1/models", "/abort_request"}
    assert timedelta(seconds=served_models.ASK_EVERY) >= timedelta(seconds=10), "and nothing is asked often"


async def cancelled(model: LiteLLMModel, stub: StubSGLang, meets: str, *, streams: bool) -> None:
    """A call that is cancelled once the server has it."""
    stub.script = [meets]
    listener = Listener()
    call = asyncio.create_task(model.complete("fast", ASK, FEW, ME, listener if streams else None))
    await asyncio.to_thread(stub.called.wait, 10)
    if meets == "hang-mid":
        await until(lambda: bool(listener.text), what="it speaks")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
