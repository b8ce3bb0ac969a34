"""Keeps shared state in Redis: a hash for each key, with its value and the id of the call that set it."""

import uuid
from datetime import timedelta
from typing import Final, cast
from urllib.parse import quote

from redis.asyncio import Redis

from activities.adapters.shared.redis_client import as_port_errors
from activities.ports import SharedKey

PREFIX: Final = "perdure:shared:"

_PUT = """
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'by', '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
# The client sends a command again whose reply was lost: a call that finds its own id has swapped already.
_SWAP = """
local now = redis.call('HMGET', KEYS[1], 'value', 'by')
if now[2] == ARGV[1] then return 1 end
if ARGV[2] == 'none' then
  if now[1] then return 0 end
elseif now[1] ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], 'value', ARGV[4], 'by', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
"""


class RedisSharedState:
    """A `SharedState`."""

    def __init__(self, redis: Redis) -> None:
        """Use a client that `open_redis` made; the caller closes it."""
        self._redis = redis
        self._put = redis.register_script(_PUT)
        self._swap = redis.register_script(_SWAP)

    async def get(self, key: SharedKey) -> bytes | None:
        """Return the value, or None. Raises `StorageFailed`."""
        async with as_port_errors(self._redis):
            return cast("bytes | None", await self._redis.hget(_name(key), "value"))

    async def put(self, key: SharedKey, value: bytes, ttl: timedelta) -> None:
        """Set the value. Raises `StorageFull`, `StorageFailed`."""
        async with as_port_errors(self._redis):
            await self._put(keys=[_name(key)], args=[value, _milliseconds(ttl)])

    async def swap(self, key: SharedKey, expected: bytes | None, new: bytes, ttl: timedelta) -> bool:
        """Set the value where it equals `expected`, in one script; return whether it did.

        Raises `StorageFull`, `StorageFailed`.
        """
        expectation = ["none", b""] if expected is None else ["value", expected]
        async with as_port_errors(self._redis):
            arguments = [uuid.uuid4().hex, *expectation, new, _milliseconds(ttl)]
            return bool(await self._swap(keys=[_name(key)], args=arguments))


def _name(key: SharedKey) -> str:
    return PREFIX + ":".join(quote(part, safe="") for part in (key.tenant, key.subject, key.name))


def _milliseconds(ttl: timedelta) -> int:
    return max(1, ttl // timedelta(milliseconds=1))
