"""A connection to Redis, and its errors as the ports' errors: one line, without the password."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, OutOfMemoryError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from activities.ports import StorageFailed, StorageFull

SECONDS = 5.0
"""How long an answer may take, connecting included."""
CONNECTIONS = 10_000
"""At most; each waiting reader holds one. It is what a Redis server accepts unless it is told otherwise."""


def open_redis(url: str) -> Redis:
    """A client of the server at `redis://[user]:[password]@host:port/db`; connects at its first use.

    Only idempotent commands may be sent through it: a command is sent once more after a broken connection, since every
    pooled connection breaks when the server restarts. Raises `StorageFailed` for an address that is none.
    """
    try:
        pool = ConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            # `plainly` keeps the time: with a timeout of its own redis-py 8.1 sends by `asyncio.wait_for`, which loses
            # a cancellation in Python 3.11 if the sending is just done, and a reader that is cancelled goes on.
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        )
    except ValueError:
        # Not shown: it may hold a password.
        raise StorageFailed("the address of Redis cannot be used: write redis://:password@host:port/0") from None
    return Redis.from_pool(pool)


@asynccontextmanager
async def plainly(redis: Redis) -> AsyncGenerator[None]:
    """Around one command: bound its time, and turn what Redis raises into the port's errors, in one line."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except (RedisError, OSError) as error:
        server = address(redis)
        reason = " ".join(str(error).split())[:200]
        match error:
            case AuthenticationError() | AuthorizationError():
                raise StorageFailed(f"Redis at {server} refused the password or user: check its address") from None
            case OutOfMemoryError():
                raise StorageFull(f"Redis at {server} is full: give it more memory and try again") from None
            case RedisTimeoutError() | TimeoutError():
                raise StorageFailed(f"Redis at {server} did not answer in {SECONDS:g} s: see what it does") from None
            case RedisConnectionError() | OSError():
                raise StorageFailed(f"Redis at {server} cannot be reached ({reason}): see that it runs") from None
            case _:
                raise StorageFailed(f"Redis at {server} failed: {reason}; see its log") from None


def address(redis: Redis) -> str:
    """Its host, port and database, without user and password."""
    of = redis.connection_pool.connection_kwargs
    return f"{of.get('host', 'localhost')}:{of.get('port', 6379)}/{of.get('db', 0)}"
