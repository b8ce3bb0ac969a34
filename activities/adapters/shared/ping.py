"""Asks a Redis server for its time: whether it answers, lets us in, and has a clock like ours."""

import asyncio
from datetime import UTC, datetime

from activities.adapters.shared.redis_client import address, as_port_errors, open_redis
from activities.ports import StorageFailed


async def ping(url: str, seconds: float) -> datetime:
    """Return the time by the server's clock. Raises `StorageFailed` where it gives no answer in `seconds`."""
    redis = open_redis(url)
    try:
        async with asyncio.timeout(seconds), as_port_errors(redis):
            whole, micros = await redis.time()
    except TimeoutError:
        raise StorageFailed(f"Redis at {address(redis)} did not answer in {seconds:g} s: see what it does") from None
    finally:
        await redis.aclose()
    return datetime.fromtimestamp(whole + micros / 1_000_000, UTC)
