"""Keeps token logs in Redis Streams: one stream for each step, with positions as the ids of its entries.

The newest attempt's entries are `attempt-0`, its beginning with its gate; `attempt-offset` for each piece, with the
offset after it; and one more than the last offset for its end. So an id is written once, ids only grow, and a reader
at `attempt-offset` asks for what comes after. Opened gates are a stream for each run. Every key of a run has the tag
`{tenant:run}`, which keeps them on one node of a cluster.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from redis.asyncio import Redis

from activities.adapters.shared.redis_client import as_port_errors
from activities.adapters.tokens.rules import START, Head, View, follow, unended, unwritten
from activities.ports import LogEntry, Position
from perdure.contracts.chains.steps import StepKey

KEEP: Final = timedelta(hours=24)
"""How long a step is kept after its newest attempt began."""
BLOCK: Final = timedelta(seconds=2)
"""How long a reader blocks before it looks anew: a stream that was lost and begun again would not wake it."""
AT_ONCE: Final = 1000
"""Pieces that one look returns at most."""
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
# Adding comes first: a full server refuses a script's first write only, and nothing may be deleted then.
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
# Writes where the attempt is newest, open and exactly so long; says how far it is otherwise.
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
# One look: the newest attempt, whether it is shown, its pieces after a position, and the last ids of both streams.
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
    """A `TokenLog`. A step is forgotten by itself `keep` after its newest attempt began."""

    def __init__(self, redis: Redis, keep: timedelta = KEEP) -> None:
        """Over a client that `open_redis` made; whoever opened it closes it."""
        self._redis = redis
        self._keep = keep // timedelta(milliseconds=1)
        self._begin = redis.register_script(_BEGIN)
        self._append = redis.register_script(_APPEND)
        self._open = redis.register_script(_OPEN)
        self._look = redis.register_script(_LOOK)
        self._forget = redis.register_script(_FORGET)

    async def begin(self, key: StepKey, attempt: int, gate: str | None = None, *, ended: bool = False) -> None:
        """Begin an attempt and delete what the one before it said. Raises `StorageFull`, `StorageFailed`."""
        gated = [] if gate is None else ["gate", gate]
        async with as_port_errors(self._redis):
            await self._begin(keys=_keys(key), args=[attempt, self._keep, *gated])
        if ended:
            await self.end(key, Position(attempt))

    async def append(self, key: StepKey, position: Position, text: str) -> None:
        """Write what of `text` is not yet there. Raises `StorageFull`, `StorageFailed`."""
        rest = text
        while rest:
            at = position.offset + len(text) - len(rest)
            head = await self._add(key, Position(position.attempt, at), at + len(rest), "text", _encoded(rest))
            if head == _WRITTEN:
                return
            rest = unwritten(key, head, position, text)

    async def end(self, key: StepKey, position: Position) -> None:
        """Mark the attempt as ended. Raises `StorageFull`, `StorageFailed`."""
        head = await self._add(key, position, position.offset + 1, "end", b"")
        if head != _WRITTEN:
            unended(key, head, position)

    async def open(self, tenant: str, run_id: str, gate: str) -> None:
        """Open a gate. Raises `StorageFull`, `StorageFailed`."""
        async with as_port_errors(self._redis):
            await self._open(keys=[_gates(tenant, run_id)], args=[gate, self._keep])

    def read(self, key: StepKey, after: Position = START) -> AsyncGenerator[LogEntry]:
        """Follow a step, on a connection of its own while it waits. Raises `StorageFailed`."""
        keys = _keys(key)

        async def look(at: Position) -> View[_Mark]:
            async with as_port_errors(self._redis):
                return _view(await self._look(keys=keys, args=[at.attempt, at.offset, AT_ONCE]))

        async def wait(mark: _Mark) -> None:
            async with as_port_errors(self._redis):
                await self._redis.xread(
                    dict(zip(keys, mark, strict=True)), count=1, block=int(BLOCK.total_seconds() * 1000)
                )

        return follow(look, wait, after)

    async def forget(self, older_than: timedelta) -> int:
        """Delete old steps at once; what is as old as `keep` went by itself. Raises `StorageFailed`."""
        age = older_than // timedelta(milliseconds=1)
        forgotten, cursor = 0, -1
        while cursor:
            async with as_port_errors(self._redis):
                cursor, logs = await self._redis.scan(max(cursor, 0), match=f"{PREFIX}*:step:*", count=500)
            for log in logs:
                async with as_port_errors(self._redis):
                    forgotten += cast("int", await self._forget(keys=[log], args=[age]))
        return forgotten

    async def _add(
        self, key: StepKey, at: Position, new: int, field: str, body: bytes
    ) -> Head | Literal["written"] | None:
        """Add an entry at a position; says how far the step is where nothing can be added there."""
        async with as_port_errors(self._redis):
            said = await self._append(keys=_keys(key), args=[at.attempt, at.offset, new, field, body])
        if said == b"written":
            return _WRITTEN
        return _head(said)


def _head(said: Sequence[int] | None) -> Head | None:
    return None if said is None else Head(said[0], said[1], said[2] == 1)


def _view(said: Sequence[Any]) -> View[_Mark]:
    mark = (said[0], said[1])
    if len(said) == len(mark):
        return View(None, (), whole=True, mark=mark)
    head = _head(said[2:5])
    pieces: list[tuple[int, str]] = []
    for entry, (field, body) in said[5]:
        if field == b"text":
            text = _decoded(body)
            pieces.append((int(entry.split(b"-")[1]) - len(text), text))
    return View(head, pieces, whole=len(said[5]) < AT_ONCE, mark=mark)


def _keys(key: StepKey) -> list[str]:
    return [f"{_run(key.tenant, key.run_id)}:step:{quote(key.step, safe='')}", _gates(key.tenant, key.run_id)]


def _gates(tenant: str, run_id: str) -> str:
    return f"{_run(tenant, run_id)}:gates"


def _run(tenant: str, run_id: str) -> str:
    return f"{PREFIX}{{{quote(tenant, safe='')}:{quote(run_id, safe='')}}}"


def _encoded(text: str) -> bytes:
    # A model's server may cut a character in two halves, which strict UTF-8 refuses.
    return text.encode(errors="surrogatepass")


def _decoded(body: bytes) -> str:
    return body.decode(errors="surrogatepass")
