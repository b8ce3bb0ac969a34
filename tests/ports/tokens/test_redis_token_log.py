"""What only the token log on Redis promises: its keys, its retention, and errors without the password."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from activities.adapters.shared import redis_client
from activities.adapters.shared.redis_client import open_redis
from activities.adapters.tokens.redis_token_log import RedisTokenLog
from activities.ports import Position, StorageFailed, StorageFull
from deploy.processes.ports import free_ports
from perdure.contracts.chains.steps import StepKey
from tests.support.processes.token_reader import Reader

pytestmark = pytest.mark.redis

KEY = StepKey(tenant="acme", workflow_id="acme/ticket-1", run_id="run}{1 :", step="generate-1")


@pytest_asyncio.fixture(loop_scope="session")
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(redis_url) as client:
        await client.flushall()
        yield client


async def all_keys(redis: Redis) -> list[str]:
    return sorted(key.decode() for key in cast("list[bytes]", await redis.keys()))


async def test_every_key_names_its_tenant_stays_on_its_runs_node_and_goes_by_itself(redis: Redis) -> None:
    log = RedisTokenLog(redis, keep=timedelta(minutes=1))
    await log.open("acme", KEY.run_id, "screened")
    await log.begin(KEY, 1, "screened")
    await log.append(KEY, Position(1), "Six")
    keys = await all_keys(redis)
    assert keys == [
        "perdure:tokens:{acme:run%7D%7B1%20%3A}:gates",
        "perdure:tokens:{acme:run%7D%7B1%20%3A}:step:generate-1",
    ]
    for key in keys:
        assert 50_000 < await redis.pttl(key) <= 60_000


async def test_another_attempt_keeps_its_step_and_gates_for_longer(redis: Redis) -> None:
    await RedisTokenLog(redis, keep=timedelta(minutes=1)).open("acme", KEY.run_id, "screened")
    await RedisTokenLog(redis, keep=timedelta(minutes=1)).begin(KEY, 1, "screened")
    await RedisTokenLog(redis, keep=timedelta(minutes=9)).begin(KEY, 2, "screened")
    assert [await redis.pttl(key) > 500_000 for key in await all_keys(redis)] == [True, True]


async def test_a_waiting_reader_survives_the_loss_of_everything(redis: Redis) -> None:
    log = RedisTokenLog(redis)
    reader = Reader(log, KEY)
    async with asyncio.timeout(20):
        await log.begin(KEY, 7)
        await log.append(KEY, Position(7), "Six weeks")
        reading = asyncio.create_task(reader.to_the_end())
        await reader.until("Six weeks", attempt=7)
        await redis.flushall()
        await redis.script_flush()
        # A lower attempt number than before, which the platform never gives: stream ids then start anew, too.
        await log.begin(KEY, 1)
        await log.append(KEY, Position(1), "Ten")
        await log.end(KEY, Position(1, 3))
        await reading
    assert reader.text == "Ten"
    assert reader.attempts == [7, 1]


async def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    [port] = free_ports(1)
    async with open_redis(f"redis://ann:hush@127.0.0.1:{port}/2") as client:
        log = RedisTokenLog(client)
        with pytest.raises(StorageFailed, match=rf"^Redis at 127\.0\.0\.1:{port}/2 cannot be reached \(") as begun:
            await log.begin(KEY, 1)
        with pytest.raises(StorageFailed) as read:
            await anext(log.read(KEY))
        with pytest.raises(StorageFailed) as forgotten:
            await log.forget(timedelta(0))
    for raised in (begun, read, forgotten):
        assert "hush" not in str(raised.value)
        assert "\n" not in str(raised.value)


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        async with open_redis(f"redis://:hush@{address}/0") as client:
            with pytest.raises(StorageFailed, match=f"^Redis at {address}/0 did not answer in 0.1 s: see what it does"):
                await RedisTokenLog(client).begin(KEY, 1)


async def test_a_wrong_password_is_a_clear_error(redis_url: str) -> None:
    server = redis_url.split("@")[1]
    async with open_redis(f"redis://:wrong@{server}") as client:
        with pytest.raises(StorageFailed, match=f"^Redis at {server} refused the password") as raised:
            await RedisTokenLog(client).begin(KEY, 1)
    assert "wrong" not in str(raised.value)


async def test_an_invalid_address_is_a_clear_error_that_does_not_repeat_it() -> None:
    with pytest.raises(StorageFailed, match="write redis://:password@host:port/0") as raised:
        open_redis("hush@127.0.0.1")
    assert "hush" not in str(raised.value)


async def test_a_full_server_is_a_clear_error(redis: Redis) -> None:
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(StorageFull, match="is full: give it more memory"):
            await RedisTokenLog(redis).begin(KEY, 1)
    finally:
        await redis.config_set("maxmemory", "0")
