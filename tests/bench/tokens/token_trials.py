"""Trials of a token log: a writer is killed, readers lose their connections, and all errors are counted."""

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
"""The seconds that a reader may wait for the next entry."""
LAST_WORDS = 30
"""The most characters that a reader forgets when it loses its connection."""


@dataclass(frozen=True)
class Place:
    """The place of a log: SQLite or Redis."""

    name: str
    state: Path
    redis: str | None = None
    """The address of Redis; None for SQLite."""

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[TokenLog]:
        """Open the log for readers in this process."""
        async with open_token_log(settings_of(self.state, self.redis)) as log:
            yield log


@dataclass
class Count:
    """The errors in what readers read."""

    characters: int = 0
    """The characters that were read."""
    missing: int = 0
    duplicate: int = 0
    wrong: int = 0
    """The characters that were never written at their position."""
    unannounced: int = 0
    """The attempts that no `Reset` announced."""
    connections: int = 0
    kills: int = 0

    @property
    def faults(self) -> int:
        """The sum of all errors."""
        return self.missing + self.duplicate + self.wrong + self.unannounced


@dataclass
class CountingReader(Reader):
    """A reader that compares entries with the words that were written."""

    count: Count = field(default_factory=Count)

    def hear(self, entry: LogEntry) -> None:
        """Compare an entry with the words of its attempt at its position."""
        match entry:
            case Piece(text, position):
                start = position.offset - len(text)
                length = len(self.text) if position.attempt == self.at.attempt else 0
                self.count.characters += len(text)
                self.count.missing += max(0, start - length)
                self.count.duplicate += max(0, length - start)
                expected = WRITTEN.of(position.attempt, position.offset)[start:]
                self.count.wrong += sum(
                    character != wanted_character for character, wanted_character in zip(text, expected, strict=True)
                )
            case End(position):
                self.count.missing += max(0, position.offset - len(self.text))
            case _:
                pass
        super().hear(entry)

    async def read_some(self, entries: int) -> None:
        """Connect, read this many entries, and lose the connection."""
        self.count.connections += 1
        async with asyncio.timeout(PATIENCE), aclosing(entries_of(self)) as log_entries:
            async for entry in log_entries:
                self.hear(entry)
                entries -= 1
                if not entries:
                    return


class WrittenWords:
    """The words of attempts, generated as far as they are needed."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._words: dict[int, Iterator[str]] = {}

    def of(self, attempt: int, length: int) -> str:
        """Return the first `length` characters of an attempt."""
        text = self._texts.get(attempt, "")
        more_words = self._words.setdefault(attempt, words(attempt))
        while len(text) < length:
            text += "".join(next(more_words) for _ in range(200))
        self._texts[attempt] = text
        return text[:length]


WRITTEN = WrittenWords()


class Speakers:
    """The writing processes, one after the other."""

    def __init__(self, place: Place, key: StepKey, *, pause: float, stamped: bool = False) -> None:
        """Start the process that they are forked from."""
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
        """Start a new process, which begins an attempt."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(self._speech(attempt=attempt).model_dump_json(), file=self._process.stdin, flush=True)
        self._pid = int(self._process.stdout.readline())

    async def end(self) -> None:
        """End the attempt of the process, and wait until it is gone."""
        os.kill(self._pid, signal.SIGTERM)
        await until(lambda: not self._is_alive(), what="the writer has ended")

    async def kill(self) -> None:
        """Kill the process as a power cut would."""
        os.kill(self._pid, signal.SIGKILL)
        await until(lambda: not self._is_alive(), what="the writer is gone", every=0.002)

    def close(self) -> None:
        """End the process that the others are forked from."""
        if self._is_alive():
            os.kill(self._pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    def _is_alive(self) -> bool:
        with suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, 0)
                return True
        return False


def entries_of(reader: Reader) -> AsyncGenerator[LogEntry]:
    """Return the entries of a reader; the caller closes the generator."""
    return cast("AsyncGenerator[LogEntry]", reader.log.read(reader.key, reader.at))


def _key(run_id: str) -> StepKey:
    return StepKey(tenant="bench", workflow_id="bench/1", run_id=run_id, step="generate-1")


async def reconnects(place: Place, times: int, rng: random.Random) -> Count:
    """Connect `times` times to a step while it is written: half of them near its end, half anywhere in it."""
    key, count = _key("reconnects"), Count()
    speakers = Speakers(place, key, pause=0.002)
    try:
        async with place.opened() as log:
            tail_reader = CountingReader(log, key, count=count)
            speakers.speak(1)
            for _ in range(times // 2):
                tail_reader.go_back(max(0, tail_reader.at.offset - rng.randrange(LAST_WORDS)))
                await tail_reader.read_some(rng.randint(1, 3))
                offset = rng.randint(0, tail_reader.at.offset)
                other_reader = CountingReader(log, key, Position(1, offset), tail_reader.text[:offset], count=count)
                await other_reader.read_some(rng.randint(1, 3))
            await speakers.end()
            await tail_reader.read_some(-1)
            count.unannounced += tail_reader.unannounced
    finally:
        speakers.close()
    return count


async def kills(place: Place, times: int, rng: random.Random) -> Count:
    """Kill the writer `times` times, each followed by another attempt, while a reader reconnects all the time."""
    key, count = _key("kills"), Count()
    speakers = Speakers(place, key, pause=0.002)
    try:
        async with place.opened() as log:
            reader = CountingReader(log, key, count=count)

            async def restless() -> None:
                while not reader.ended:
                    reader.go_back(max(0, reader.at.offset - rng.randrange(LAST_WORDS)))
                    await reader.read_some(rng.randint(1, 5))

            reading = asyncio.create_task(restless())
            for attempt in range(1, times + 2):
                speakers.speak(attempt)
                await until(
                    lambda attempt=attempt: reading.done() or (reader.at.attempt == attempt and reader.at.offset > 0),
                    what=f"attempt {attempt} is heard",
                )
                await asyncio.wait({reading}, timeout=rng.uniform(0, 0.4))
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
    """Return the milliseconds from writing a single piece to reading it in another process."""
    key, milliseconds = _key("latency"), list[float]()
    speakers = Speakers(place, key, pause=0.06, stamped=True)
    try:
        async with place.opened() as log, asyncio.timeout(PATIENCE):
            speakers.speak(1)
            async with aclosing(entries_of(Reader(log, key))) as entries:
                async for entry in entries:
                    read_at = time.monotonic_ns()
                    if isinstance(entry, Piece):
                        milliseconds.extend((read_at - int(stamp)) / 1e6 for stamp in entry.text.split())
                    if len(milliseconds) >= pieces:
                        break
            await speakers.end()
    finally:
        speakers.close()
    return milliseconds
