"""A cancel_call call is aborted on SGLang by its request name at once: a stub over HTTP records it."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.adapters.model_servers import served_models
from activities.adapters.models.litellm_model import LiteLLMModel
from activities.ports import (
    ModelFailed,
    NotConfigured,
    Sampling,
)
from tests.ports.models.model_cases import (
    ASK,
    FEW,
    ME,
    Listener,
    failure_of,
)
from tests.ports.models.sglang_cases import cancel_call, model_for
from tests.support.servers.stub_sglang import StubSGLang, recorded
from tests.support.waiting import until


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


@pytest.fixture
def model(tmp_path: Path, stub: StubSGLang) -> LiteLLMModel:
    return model_for(tmp_path, stub)


@pytest.mark.parametrize(("meets", "streams"), [("hang", False), ("hang", True), ("hang-mid", True)])
async def test_cancelling_tells_the_server_to_stop_by_the_requests_name(
    meets: str, tmp_path: Path, stub: StubSGLang, *, streams: bool
) -> None:
    model = model_for(tmp_path, stub, keys={"fast": "sk-user", "boss": "sk-admin"}, admin_key='"boss"')
    stub.doors["/abort_request"] = {"status": 200, "body": {}}
    await cancel_call(model, stub, meets, streams=streams)
    assert stub.asked_at("/abort_request") == [("Bearer sk-admin", {"rid": stub.requests[0]["rid"]})]
    await until(lambda: bool(stub.closed), what="the socket is closed too", seconds=5)


async def test_without_an_admin_key_the_deployments_own_is_used(tmp_path: Path, stub: StubSGLang) -> None:
    model = model_for(tmp_path, stub, keys={"fast": "sk-user"})
    stub.doors["/abort_request"] = recorded("abort_request-userkey")
    await cancel_call(model, stub, "hang", streams=False)
    assert [key for key, _ in stub.asked_at("/abort_request")] == ["Bearer sk-user"]


async def test_a_server_that_does_not_hear_the_stop_holds_a_cancelled_call_for_a_second_at_most(
    model: LiteLLMModel, stub: StubSGLang
) -> None:
    stub.doors["/abort_request"] = "hang"
    began = time.monotonic()
    await cancel_call(model, stub, "hang", streams=False)
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
    assert {path for path, _, _ in stub.asked} <= {"/v1/models", "/model_info", "/abort_request"}
    assert timedelta(seconds=served_models.ASK_EVERY) >= timedelta(seconds=10), "and nothing is asked often"
