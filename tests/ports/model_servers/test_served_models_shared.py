"""Workers share which model a server serves; a worker whose call failed checks again itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.adapters.shared.local_shared_state import LocalSharedState
from activities.adapters.shared.redis_client import open_redis
from activities.adapters.shared.redis_shared_state import RedisSharedState
from activities.ports import ModelFailed, ModelUnusable
from deploy.processes.ports import free_ports
from tests.ports.models.model_cases import ASK, FEW, ME, failure_of
from tests.ports.models.sglang_cases import model_for
from tests.support.servers.stub_sglang import StubSGLang


@pytest.fixture
def stub() -> Iterator[StubSGLang]:
    with StubSGLang() as server:
        yield server


async def test_what_one_worker_saw_the_others_do_not_ask(tmp_path: Path, stub: StubSGLang) -> None:
    shared = LocalSharedState()
    for worker in [model_for(tmp_path, stub, shared=shared) for _ in range(3)]:
        assert (await worker.complete("fast", ASK, FEW, ME)).content
    assert len(stub.asked_at("/v1/models")) == 1


async def test_another_model_of_the_same_server_is_asked_for_itself(tmp_path: Path, stub: StubSGLang) -> None:
    shared = LocalSharedState()
    await model_for(tmp_path, stub, shared=shared).complete("fast", ASK, FEW, ME)
    other: dict[str, Any] = {"model": "another", "answers_as": '"another"'}
    assert isinstance(await failure_of(model_for(tmp_path, stub, shared=shared, **other), streams=False), ModelUnusable)


async def test_a_worker_whose_call_broke_sees_for_itself(tmp_path: Path, stub: StubSGLang) -> None:
    shared = LocalSharedState()
    one, other = [model_for(tmp_path, stub, shared=shared) for _ in range(2)]
    await one.complete("fast", ASK, FEW, ME)
    stub.script = ["drop"]
    assert type(await failure_of(other, streams=False)) is ModelFailed
    assert (await other.complete("fast", ASK, FEW, ME)).content
    assert len(stub.asked_at("/v1/models")) == 2


async def test_a_shared_state_that_is_away_stops_nobody(tmp_path: Path, stub: StubSGLang) -> None:
    [port] = free_ports(1)
    async with open_redis(f"redis://127.0.0.1:{port}/0") as redis:
        worker = model_for(tmp_path, stub, shared=RedisSharedState(redis))
        assert (await worker.complete("fast", ASK, FEW, ME)).content
