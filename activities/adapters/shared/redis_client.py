"""Opens connections to Redis, and turns its errors into the ports' errors: one line, without the password."""

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
"""How long one reply may take, in seconds, connecting included."""
CONNECTIONS = 10_000
"""The largest number of connections; each waiting reader holds one. It is the default limit of a Redis server."""


def open_redis(url: str) -> Redis:
    """Return a client of the server at `redis://[user]:[password]@host:port/db`; it connects at its first use.

    Send only idempotent commands through it: after a broken connection a command is sent again, since every pooled
    connection breaks when the server restarts. Raises `StorageFailed` for an invalid address.
    """
    try:
        pool = ConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            # `as_port_errors` bounds the time. With a timeout of its own, redis-py 8.1 sends by `asyncio.wait_for`. In
            # Python 3.11 that loses a cancellation if the sending is just done, and a cancelled reader would go on.
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        )
    except ValueError:
        # Not shown: it may hold a password.
        raise StorageFailed("the address of Redis cannot be used: write redis://:password@host:port/0") from None
    return Redis.from_pool(pool)


@asynccontextmanager
async def as_port_errors(redis: Redis) -> AsyncGenerator[None]:
    """Bound the time of one command, and turn what Redis raises into a port's error of one line."""
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
    """Return the server's host, port and database, without user and password."""
    options = redis.connection_pool.connection_kwargs
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"
