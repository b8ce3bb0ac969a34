"""Opens the token log that the settings name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from activities.ports import PortError, TokenLog
from activities.settings import Settings

TIDY_EVERY: Final = timedelta(hours=1)
"""Between two deletions of what is too old."""


@asynccontextmanager
async def open_token_log(settings: Settings) -> AsyncGenerator[TokenLog]:
    """The token log, for as long as the context lasts and for one event loop; it connects at its first use.

    Raises `StorageFailed` where the address of Redis cannot be read.
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
    """Delete what is older than `keep`, now and every hour, until it is cancelled. A log that fails is asked again."""
    while True:
        with suppress(PortError):
            await log.forget(keep)
        await asyncio.sleep(TIDY_EVERY.total_seconds())
