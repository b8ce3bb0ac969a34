"""Opens the token log that the settings name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from activities.ports import PortError, TokenLog
from activities.settings import Settings

CLEANUP_INTERVAL: Final = timedelta(hours=1)
"""The time between two deletions of old tokens."""


@asynccontextmanager
async def open_token_log(settings: Settings) -> AsyncGenerator[TokenLog]:
    """Open the token log for one event loop, until the context ends; it connects at its first use.

    Raises `StorageFailed` where the address of Redis cannot be parsed.
    """
    if settings.tokens.redis is not None:
        from activities.adapters.shared.redis_client import open_redis
        from activities.adapters.tokens.redis_token_log import RedisTokenLog

        async with open_redis(settings.tokens.redis.get_secret_value()) as redis:
            yield RedisTokenLog(redis, settings.tokens.keep)
        return
    from activities.adapters.tokens.sql_token_log import SqlTokenLog, open_token_database

    database = open_token_database(settings.paths.state / "tokens.db")
    try:
        yield SqlTokenLog(database)
    finally:
        await database.dispose()


async def forget_old_tokens(log: TokenLog, keep: timedelta) -> None:
    """Delete tokens older than `keep`, now and every hour, until cancelled. An error ends only the current deletion."""
    while True:
        with suppress(PortError):
            await log.forget(keep)
        await asyncio.sleep(CLEANUP_INTERVAL.total_seconds())
