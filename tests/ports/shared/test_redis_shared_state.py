"""What only the shared state on Redis promises: its keys, repeated commands, and errors without the password."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from activities.adapters.shared.open import open_shared
from activities.adapters.shared.redis_client import open_redis
from activities.adapters.shared.redis_shared_state import RedisSharedState
from activities.ports import NO_TENANT, SharedKey, StorageFailed, StorageFull
from activities.settings import Settings, Shared
from deploy.processes.ports import free_ports
from tests.support.faults.cutting_proxy import cutting

pytestmark = pytest.mark.redis

KEY = SharedKey(NO_TENANT, "fast: 1", "circuit")
LONG = timedelta(minutes=5)


async def test_a_key_names_its_tenant_and_goes_by_itself(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        await redis.flushall()
        state = RedisSharedState(redis)
        await state.swap(KEY, None, b"open", timedelta(minutes=1))
        assert await redis.keys() == [b"perdure:shared:_platform:fast%3A%201:circuit"]
        assert 50_000 < await redis.pttl("perdure:shared:_platform:fast%3A%201:circuit") <= 60_000


async def test_a_swap_whose_reply_was_lost_is_not_told_that_it_lost(redis_url: str) -> None:
    server = urlsplit(redis_url)
    assert server.hostname is not None
    assert server.port is not None
    async with cutting(server.hostname, server.port, b"EVALSHA") as proxy:
        way = redis_url.replace(f":{server.port}/", f":{proxy.port}/")
        async with open_redis(redis_url) as redis, open_redis(way) as cut:
            await redis.flushall()
            beside, state = RedisSharedState(redis), RedisSharedState(cut)
            # The server knows the script by then, so that the next command is the swap itself.
            assert await state.swap(SharedKey(NO_TENANT, "slow", "circuit"), None, b"open", LONG)
            proxy.cuts = 1
            assert await state.swap(KEY, None, b"mine", LONG)
            assert proxy.cuts == 0
            assert await beside.get(KEY) == b"mine"
            assert not await beside.swap(KEY, None, b"theirs", LONG)


async def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    [port] = free_ports(1)
    settings = Settings(shared=Shared.model_validate({"redis": f"redis://:hush@127.0.0.1:{port}/0"}))
    async with open_shared(settings) as state:
        sentence = rf"^Redis at 127\.0\.0\.1:{port}/0 cannot be reached \("
        with pytest.raises(StorageFailed, match=sentence) as read:
            await state.get(KEY)
        with pytest.raises(StorageFailed, match=sentence) as put:
            await state.put(KEY, b"x", LONG)
        with pytest.raises(StorageFailed, match=sentence) as swapped:
            await state.swap(KEY, None, b"x", LONG)
    for raised in (read, put, swapped):
        assert not re.search("hush|\n", str(raised.value))


async def test_a_full_server_is_a_clear_error_and_changes_nothing(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        await redis.flushall()
        state = RedisSharedState(redis)
        await state.put(KEY, b"before", LONG)
        await redis.config_set("maxmemory", "1")
        try:
            with pytest.raises(StorageFull, match="is full: give it more memory"):
                await state.put(KEY, b"after", LONG)
            with pytest.raises(StorageFull):
                await state.swap(KEY, b"before", b"after", LONG)
            assert await state.get(KEY) == b"before"
        finally:
            await redis.config_set("maxmemory", "0")
