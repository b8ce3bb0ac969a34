"""`python -m tests.bench.tokens.token_speaker`: processes that write to a token log until SIGTERM or a kill.

Each line of input is a `Speech` as JSON. A process is forked for it, with all modules imported; its id is printed.
"""

import asyncio
import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from activities.adapters.tokens import redis_token_log, sql_token_log
from activities.adapters.tokens.open import open_token_log
from activities.paid.token_writer import TokenWriter
from activities.settings import Paths, Settings, Tokens
from perdure.contracts.chains.steps import StepKey

IMPORTED = (redis_token_log, sql_token_log)
"""Imported once, before any process is forked."""


class Speech(BaseModel):
    """What a process writes, where, and how fast."""

    state: Path
    redis: str | None
    """The address of Redis; None for SQLite under `state`."""
    key: StepKey
    attempt: int
    pause: float
    """The mean seconds between two words; each pause is between 0.5 and 1.5 times as long."""
    stamped: bool = False
    """Whether each word is the time at which it is written, in nanoseconds of the monotonic clock."""


def settings_of(state: Path, redis: str | None) -> Settings:
    """Return the settings that name the log."""
    return Settings(paths=Paths(state=state), tokens=Tokens.model_validate({"redis": redis}))


def words(attempt: int) -> Iterator[str]:
    """Yield the words of an attempt without end; no word repeats, and characters have one to four bytes."""
    for number in itertools.count():
        yield f"{attempt}.{number}é🙂 "


async def speak(speech: Speech) -> None:
    """Write words until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    next_words = words(speech.attempt)
    async with (
        open_token_log(settings_of(speech.state, speech.redis)) as log,
        TokenWriter(log, speech.key, speech.attempt, lost=_lost) as writer,
    ):
        while not stopped.is_set():
            await writer(f"{time.monotonic_ns()} " if speech.stamped else next(next_words))
            await asyncio.sleep(speech.pause * random.uniform(0.5, 1.5))  # noqa: S311 - a pace, not a secret


def _lost(_key: StepKey, attempt: int, error: Exception) -> None:
    sys.exit(f"attempt {attempt} lost its log: {error}")


def main() -> None:
    """Fork until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the processes are never waited for
    # Not `for line in sys.stdin`: a forked process would inherit its read-ahead buffer.
    while line := sys.stdin.readline():
        speech = Speech.model_validate_json(line)
        child = os.fork()
        if child:
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()
            continue
        asyncio.run(speak(speech))
        os._exit(0)


if __name__ == "__main__":
    main()
