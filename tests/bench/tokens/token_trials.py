"""Trials of a token log: a process speaks and is killed, readers lose their connections, and it is all counted."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from activities.adapters.tokens.open import open_token_log
from activities.ports import End, LogEntry, Piece, Position, TokenLog
from activities.settings import ROOT
from perdure.contracts.chains.steps import StepKey
from tests.bench.tokens.token_speaker import Speech, settings_of, words
from tests.support.processes.token_reader import Reader
from tests.support.waiting import until

PATIENCE = 120.0
"""Seconds that a reader may wait for the next thing."""
LAST_WORDS = 30
"""Characters that a reader which loses its connection has not yet kept, at most."""


@dataclass(frozen=True)
class Place:
    """Where a log is kept."""

    name: str
    state: Path
    redis: str | None = None
    """The address of Redis; None for SQLite."""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[TokenLog]:
        """The log, for readers in this process."""
        async with open_token_log(settings_of(self.state, self.redis)) as log:
            yield log


@dataclass
class Count:
    """What was wrong with what readers got."""

    characters: int = 0
    """Read, in all."""
    missing: int = 0
    duplicate: int = 0
    wrong: int = 0
    """Characters that were never said at their place."""
    unannounced: int = 0
    """Attempts that no `Reset` announced."""
    connections: int = 0
    kills: int = 0

    @property
    def faults(self) -> int:
        """All of them."""
        return self.missing + self.duplicate + self.wrong + self.unannounced


@dataclass
class CountingReader(Reader):
    """A reader that compares what it gets with what was said."""

    count: Count = field(default_factory=Count)

    def hear(self, entry: LogEntry) -> None:
        """Compare by the entry's own position, and by what it should hold there."""
        match entry:
            case Piece(text, position):
                start = position.offset - len(text)
                had = len(self.text) if position.attempt == self.at.attempt else 0
                self.count.characters += len(text)
                self.count.missing += max(0, start - had)
                self.count.duplicate += max(0, had - start)
                expected = SAID.of(position.attempt, position.offset)[start:]
                self.count.wrong += sum(got != want for got, want in zip(text, expected, strict=True))
            case End(position):
                self.count.missing += max(0, position.offset - len(self.text))
            case _:
                pass
        super().hear(entry)

    async def some(self, entries: int) -> None:
        """Connect, read so many entries, and lose the connection."""
        self.count.connections += 1
        async with asyncio.timeout(PATIENCE), aclosing(entries_of(self)) as found:
            async for entry in found:
                self.hear(entry)
                entries -= 1
                if not entries:
                    return


class Said:
    """What attempts say, as far as anybody asked."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._words: dict[int, Iterator[str]] = {}

    def of(self, attempt: int, length: int) -> str:
        """The first so many characters of an attempt."""
        text = self._texts.get(attempt, "")
        more = self._words.setdefault(attempt, words(attempt))
        while len(text) < length:
            text += "".join(next(more) for _ in range(200))
        self._texts[attempt] = text
        return text[:length]


SAID = Said()


class Speakers:
    """The processes that speak, one after the other."""

    def __init__(self, place: Place, key: StepKey, *, pause: float, stamped: bool = False) -> None:
        """Start what they are forked from."""
        self._speech = partial(Speech, state=place.state, redis=place.redis, key=key, pause=pause, stamped=stamped)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.tokens.token_speaker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pid = 0

    def speak(self, attempt: int) -> None:
        """Let a new process begin an attempt."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(self._speech(attempt=attempt).model_dump_json(), file=self._process.stdin, flush=True)
        self._pid = int(self._process.stdout.readline())

    async def end(self) -> None:
        """Let it end its attempt, and wait until it is gone."""
        os.kill(self._pid, signal.SIGTERM)
        await until(lambda: not self._lives(), what="what speaks has ended")

    async def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self._pid, signal.SIGKILL)
        await until(lambda: not self._lives(), what="what speaks is gone", every=0.002)

    def close(self) -> None:
        """End all that is left."""
        if self._lives():
            os.kill(self._pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    def _lives(self) -> bool:
        with suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, 0)
                return True
        return False


def entries_of(reader: Reader) -> AsyncGenerator[LogEntry]:
    """What a reader reads, to be closed when it has enough."""
    return cast("AsyncGenerator[LogEntry]", reader.log.read(reader.key, reader.at))


def _key(run_id: str) -> StepKey:
    return StepKey(tenant="bench", workflow_id="bench/1", run_id=run_id, step="generate-1")


async def reconnects(place: Place, times: int, chance: random.Random) -> Count:
    """Connect so many times to a step while it speaks: half of them near its end, half anywhere in it."""
    key, count = _key("reconnects"), Count()
    speakers = Speakers(place, key, pause=0.002)
    try:
        async with place.opened() as log:
            last = CountingReader(log, key, count=count)
            speakers.speak(1)
            for _ in range(times // 2):
                last.go_back(max(0, last.at.offset - chance.randrange(LAST_WORDS)))
                await last.some(chance.randint(1, 3))
                anywhere = chance.randint(0, last.at.offset)
                other = CountingReader(log, key, Position(1, anywhere), last.text[:anywhere], count=count)
                await other.some(chance.randint(1, 3))
            await speakers.end()
            await last.some(-1)
            count.unannounced += last.unannounced
    finally:
        speakers.close()
    return count


async def kills(place: Place, times: int, chance: random.Random) -> Count:
    """Kill the speaker so many times in mid-speech, each time followed by another attempt, under a restless reader."""
    key, count = _key("kills"), Count()
    speakers = Speakers(place, key, pause=0.002)
    try:
        async with place.opened() as log:
            reader = CountingReader(log, key, count=count)

            async def restless() -> None:
                while not reader.ended:
                    reader.go_back(max(0, reader.at.offset - chance.randrange(LAST_WORDS)))
                    await reader.some(chance.randint(1, 5))

            reading = asyncio.create_task(restless())
            for attempt in range(1, times + 2):
                speakers.speak(attempt)
                await until(
                    lambda attempt=attempt: reading.done() or (reader.at.attempt == attempt and reader.at.offset > 0),
                    what=f"attempt {attempt} is heard",
                )
                await asyncio.wait({reading}, timeout=chance.uniform(0, 0.4))
                if attempt <= times:
                    await speakers.kill()
                    count.kills += 1
            await speakers.end()
            await reading
            count.unannounced += reader.unannounced + len(set(range(1, times + 2)) - set(reader.attempts))
    finally:
        speakers.close()
    return count


async def latencies(place: Place, pieces: int) -> list[float]:
    """Milliseconds from saying a piece, when nothing else gathers, to reading it in another process."""
    key, found = _key("latency"), list[float]()
    speakers = Speakers(place, key, pause=0.06, stamped=True)
    try:
        async with place.opened() as log, asyncio.timeout(PATIENCE):
            speakers.speak(1)
            async with aclosing(entries_of(Reader(log, key))) as entries:
                async for entry in entries:
                    now = time.monotonic_ns()
                    if isinstance(entry, Piece):
                        found.extend((now - int(stamp)) / 1e6 for stamp in entry.text.split())
                    if len(found) >= pieces:
                        break
            await speakers.end()
    finally:
        speakers.close()
    return found
