"""The model that SGLang serves is checked before a request is sent: a stub lists what the real server listed."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.model_servers import served_models
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    ModelFailed,
    ModelOverloaded,
    ModelUnreachable,
    ModelUnusable,
    PortError,
)
from perdure.contracts.fault import Remedy
from tests.ports.models.model_cases import (
    ASK,
    FEW,
    ME,
    Listener,
    failure_of,
)
from tests.ports.models.sglang_cases import model_for
from tests.support.servers.stub_sglang import StubSGLang, recorded
from tests.support.waiting import until


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


@pytest.fixture
def model(tmp_path: Path, stub: StubSGLang) -> LiteLLMModel:
    return model_for(tmp_path, stub)


async def test_a_model_that_it_does_not_serve_is_never_asked_for(tmp_path: Path, stub: StubSGLang) -> None:
    # The real server answered such a request by its base model, under the requested name: see `chat-unknown-model`.
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


@pytest.mark.parametrize("writes", [True, False])
async def test_a_server_of_embeddings_gets_no_chat(tmp_path: Path, stub: StubSGLang, *, writes: bool) -> None:
    stub.doors["/model_info"] = recorded("model_info")
    model = model_for(tmp_path, stub)
    if writes:
        assert (await model.complete("fast", ASK, FEW, ME)).content
        return
    stub.doors["/model_info"]["body"]["is_generation"] = False
    error = await failure_of(model, streams=False)
    assert type(error) is ModelUnusable
    assert "makes embeddings" in str(error)
    assert (stub.calls, error.free_of_charge) == (0, True)


async def test_what_it_serves_is_asked_once_for_many_calls(model: LiteLLMModel, stub: StubSGLang) -> None:
    await asyncio.gather(*(model.complete("fast", ASK, FEW, ME) for _ in range(4)))
    await model.complete("fast", ASK, FEW, ME, Listener())
    assert len(stub.asked_at("/v1/models")) == 1
    assert stub.calls == 5


async def test_calls_that_come_together_wait_for_one_answer_and_one_is_cancelled_alone(
    tmp_path: Path, stub: StubSGLang
) -> None:
    model = model_for(tmp_path, stub, timeout_seconds=2)
    stub.doors["/v1/models"] = "hang"
    calls = [asyncio.create_task(model.complete("fast", ASK, FEW, ME)) for _ in range(8)]
    await until(lambda: bool(stub.asked), what="the server is asked")
    calls[0].cancel()
    began = time.monotonic()
    first, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert {type(other) for other in others} == {ModelUnreachable}
    assert time.monotonic() - began < 5, "one after the other they would wait seven times as long"
    assert len(stub.asked_at("/v1/models")) == 1


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
    ("meets", "kind", "sentence"),
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
    meets: Any, kind: type[PortError], sentence: str, tmp_path: Path, stub: StubSGLang
) -> None:
    stub.doors["/v1/models"] = meets
    error = await failure_of(model_for(tmp_path, stub, timeout_seconds=0.4), streams=False)
    assert type(error) is kind
    assert sentence in str(error)
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
