"""Keeps token logs in Redis Streams: one stream for each step, with positions as the ids of its entries.

Only the newest attempt has entries. Its beginning, with its gate, is `attempt-0`. Each piece is `attempt-offset`, with
the offset after the piece. Its end is one more than the last offset. So an id is written once, ids only grow, and a
reader at `attempt-offset` reads the entries after it. Another stream for each run holds its open gates. Every key of a
run has the tag `{tenant:run}`, which keeps them on one node of a cluster.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from redis.asyncio import Redis

from activities.adapters.shared.redis_client import as_port_errors
from activities.adapters.tokens.rules import START, Head, View, follow, is_end_missing, missing_text
from activities.ports import LogEntry, Position
from perdure.contracts.chains.steps import StepKey

KEEP: Final = timedelta(hours=24)
"""How long a step's log is kept after its newest attempt began."""
BLOCK: Final = timedelta(seconds=2)
"""How long a reader blocks before it reads again: a stream that was lost and begun again would not wake it."""
MAX_PIECES: Final = 1000
"""The largest number of pieces that one read returns."""
PREFIX: Final = "perdure:tokens:"

_HEAD = """
local function head(log)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if not last then return nil end
  local attempt, at = string.match(last[1], '^(%d+)-(%d+)$')
  local ended = last[2][1] == 'end' and 1 or 0
  return { tonumber(attempt), tonumber(at) - ended, ended, last[1] }
end
"""
# XADD comes before XTRIM: a full server refuses only the first write of a script, and then nothing may be deleted.
_BEGIN = (
    _HEAD
    + """
local now = head(KEYS[1])
local attempt = tonumber(ARGV[1])
if now and now[1] >= attempt then return end
local time = redis.call('TIME')
local began = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('XADD', KEYS[1], ARGV[1] .. '-0', 'began', began, unpack(ARGV, 3))
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1] .. '-0')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
"""
)
# Writes if the attempt is the newest, has not ended and has exactly this length; otherwise returns its head.
_APPEND = (
    _HEAD
    + """
local now = head(KEYS[1])
if now and now[1] == tonumber(ARGV[1]) and now[2] == tonumber(ARGV[2]) and now[3] == 0 then
  redis.call('XADD', KEYS[1], ARGV[1] .. '-' .. ARGV[3], ARGV[4], ARGV[5])
  return 'written'
end
return now
"""
)
_OPEN = """
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  if entry[2][2] == ARGV[1] then return end
end
redis.call('XADD', KEYS[1], '*', 'gate', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
# Returns the last ids of both streams, and, unless its gate is closed, the newest attempt with its later pieces.
_LOOK = (
    _HEAD
    + """
local now = head(KEYS[1])
local gates = redis.call('XRANGE', KEYS[2], '-', '+')
local opened = #gates > 0 and gates[#gates][1] or '0-0'
if not now then return { '0-0', opened } end
local first = redis.call('XRANGE', KEYS[1], now[1] .. '-0', now[1] .. '-0')[1]
local gate = first and first[2][3] == 'gate' and first[2][4]
local shown = not gate
for _, entry in ipairs(gates) do
  shown = shown or entry[2][2] == gate
end
if not shown then return { now[4], opened } end
local after = '0'
if now[1] == tonumber(ARGV[1]) then after = ARGV[2] end
local pieces = redis.call('XRANGE', KEYS[1], '(' .. now[1] .. '-' .. after, '+', 'COUNT', ARGV[3])
return { now[4], opened, now[1], now[2], now[3], pieces }
"""
)
_FORGET = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not first or tonumber(first[2][2]) > now - tonumber(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])
"""

_WRITTEN: Final = "written"
_Mark = tuple[bytes, bytes]


class RedisTokenLog:
    """A `TokenLog`. Redis deletes a step's log when `keep` has passed since its newest attempt began."""

    def __init__(self, redis: Redis, keep: timedelta = KEEP) -> None:
        """Use a client that `open_redis` made; the caller closes it."""
        self._redis = redis
        self._keep = keep // timedelta(milliseconds=1)
        self._begin = redis.register_script(_BEGIN)
        self._append = redis.register_script(_APPEND)
        self._open = redis.register_script(_OPEN)
        self._look = redis.register_script(_LOOK)
        self._forget = redis.register_script(_FORGET)

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt and delete the tokens of earlier attempts. Raises `StorageFull`, `StorageFailed`."""
        gate_fields = [] if gate is None else ["gate", gate]
        async with as_port_errors(self._redis):
            await self._begin(keys=_keys(key), args=[attempt, self._keep, *gate_fields])
        if ended:
            await self.end(key, Position(attempt))

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write the part of `text` that is not written yet. Raises `StorageFull`, `StorageFailed`."""
        rest = text
        while rest:
            start = position.offset + len(text) - len(rest)
            head = await self._append_entry(
                key, Position(position.attempt, start), start + len(rest), "text", _encoded(rest)
            )
            if head == _WRITTEN:
                return
            rest = missing_text(key, head, position, text)

    async def end(self, key: StepKey, position: Position) -> None:
        """Mark the attempt as ended. Raises `StorageFull`, `StorageFailed`."""
        head = await self._append_entry(key, position, position.offset + 1, "end", b"")
        if head != _WRITTEN:
            is_end_missing(key, head, position)

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate. Raises `StorageFull`, `StorageFailed`."""
        async with as_port_errors(self._redis):
            await self._open(keys=[_gates(tenant, run_id)], args=[gate, self._keep])

    def read(self, key: StepKey, after: Position = START) -> AsyncGenerator[LogEntry]:
        """Follow a step's log; it holds its own connection while it waits. Raises `StorageFailed`."""
        keys = _keys(key)

        async def look(position: Position) -> View[_Mark]:
            async with as_port_errors(self._redis):
                return _view(await self._look(keys=keys, args=[position.attempt, position.offset, MAX_PIECES]))

        async def wait(mark: _Mark) -> None:
            async with as_port_errors(self._redis):
                await self._redis.xread(
                    dict(zip(keys, mark, strict=True)), count=1, block=int(BLOCK.total_seconds() * 1000)
                )

        return follow(look, wait, after)

    async def forget(self, older_than: timedelta) -> int:
        """Delete the logs of steps older than `older_than`, and return how many. Raises `StorageFailed`.

        Redis itself has deleted those older than `keep`.
        """
        age = older_than // timedelta(milliseconds=1)
        forgotten, cursor = 0, -1
        while cursor:
            async with as_port_errors(self._redis):
                cursor, logs = await self._redis.scan(max(cursor, 0), match=f"{PREFIX}*:step:*", count=500)
            for log in logs:
                async with as_port_errors(self._redis):
                    forgotten += cast("int", await self._forget(keys=[log], args=[age]))
        return forgotten

    async def _append_entry(
        self, key: StepKey, position: Position, new: int, kind: str, body: bytes
    ) -> Head | Literal["written"] | None:
        """Add an entry at a position and return "written"; return the log's head where it cannot be added there."""
        async with as_port_errors(self._redis):
            reply = await self._append(keys=_keys(key), args=[position.attempt, position.offset, new, kind, body])
        if reply == b"written":
            return _WRITTEN
        return _head(reply)


def _head(reply: Sequence[int] | None) -> Head | None:
    return None if reply is None else Head(reply[0], reply[1], reply[2] == 1)


def _view(reply: Sequence[Any]) -> View[_Mark]:
    mark = (reply[0], reply[1])
    if len(reply) == len(mark):  # no attempt, or its gate is closed
        return View(None, (), whole=True, mark=mark)
    head = _head(reply[2:5])
    pieces: list[tuple[int, str]] = []
    for entry, (kind, body) in reply[5]:
        if kind == b"text":
            text = _decoded(body)
            pieces.append((int(entry.split(b"-")[1]) - len(text), text))
    return View(head, pieces, whole=len(reply[5]) < MAX_PIECES, mark=mark)


def _keys(key: StepKey) -> list[str]:
    return [f"{_run(key.tenant, key.run_id)}:step:{quote(key.step, safe='')}", _gates(key.tenant, key.run_id)]


def _gates(tenant: str, run_id: str) -> str:
    return f"{_run(tenant, run_id)}:gates"


def _run(tenant: str, run_id: str) -> str:
    return f"{PREFIX}{{{quote(tenant, safe='')}:{quote(run_id, safe='')}}}"


def _encoded(text: str) -> bytes:
    # A model's server may cut a surrogate pair in half, and strict UTF-8 refuses a lone half.
    return text.encode(errors="surrogatepass")


def _decoded(body: bytes) -> str:
    return body.decode(errors="surrogatepass")
