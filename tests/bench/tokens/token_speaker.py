"""`python -m tests.bench.tokens.token_speaker`: processes that write to a token log until SIGTERM or a kill.

Each line of input is a `Speech` as JSON: a process is forked for it, with everything imported, and its number printed.
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
"""Before anybody is forked, not by each."""


class Speech(BaseModel):
    """What to say, where, and how fast."""

    state: Path
    redis: str | None
    """The address of Redis; None speaks into SQLite under `state`."""
    key: StepKey
    attempt: int
    pause: float
    """Seconds between two words; half as many to one and a half times as many."""
    stamped: bool = False
    """Whether each word is the moment at which it is said, in nanoseconds of the monotonic clock."""


def settings_of(state: Path, redis: str | None) -> Settings:
    """The settings that name the log."""
    return Settings(paths=Paths(state=state), tokens=Tokens.model_validate({"redis": redis}))


def words(attempt: int) -> Iterator[str]:
    """What an attempt says: without end, no word twice, and with characters of one to four bytes."""
    for number in itertools.count():
        yield f"{attempt}.{number}é🙂 "


async def speak(speech: Speech) -> None:
    """Say it until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    said_so_far = words(speech.attempt)
    async with (
        open_token_log(settings_of(speech.state, speech.redis)) as log,
        TokenWriter(log, speech.key, speech.attempt, lost=_lost) as said,
    ):
        while not told.is_set():
            await said(f"{time.monotonic_ns()} " if speech.stamped else next(said_so_far))
            await asyncio.sleep(speech.pause * random.uniform(0.5, 1.5))  # noqa: S311 - a pace, not a secret


def _lost(_key: StepKey, attempt: int, error: Exception) -> None:
    sys.exit(f"attempt {attempt} lost its log: {error}")


def main() -> None:
    """Fork until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    # Not `for line in sys.stdin`: a forked process would hold what that has read ahead.
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
