"""Writes the stub model's bill: a call is on disk before any part of its reply is sent."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Self

from perdure.contracts.chains.spec import Prices
from perdure.testing.bill import COLUMNS, BilledCall

_TABLE = f"create table if not exists calls ({', '.join(f'{name} {kind}' for name, kind in COLUMNS)})"


class BillFile:
    """The writer of the bill. One connection writes one call after the other: a call costs one sync of the disk."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(file, timeout=20, isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = full")  # a counted call must survive a crash of the machine
        self._database.execute(_TABLE)
        self._database.execute("create index if not exists calls_by_turn on calls (run, turn)")

    def attempt(self, run: str, turn: int) -> "Attempt":
        """Return a context manager for the next call of this turn; the call is counted inside."""
        return Attempt(self._lock, self._database, run, turn)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


class Attempt:
    """One call: its number is known inside the context, and it is on the bill when that ends without an error."""

    def __init__(self, lock: threading.Lock, database: sqlite3.Connection, run: str, turn: int) -> None:
        self._lock = lock
        self._database = database
        self._run = run
        self._turn = turn
        self.number = 0

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._database.execute("begin immediate")
        [count] = self._database.execute(
            "select count(*) from calls where run = ? and turn = ?", (self._run, self._turn)
        ).fetchone()
        self.number = int(count) + 1
        return self

    def count(
        self, *, met: str, model: str, request: str | None, input_tokens: int, output_tokens: int, prices: Prices
    ) -> BilledCall:
        """Put the call on the bill. `met` is what happened to it; a call that met an HTTP status costs nothing."""
        paid = not met.isdecimal()
        tokens = (input_tokens, output_tokens) if paid else (0, 0)
        price = prices.of(input_tokens=tokens[0], output_tokens=tokens[1])
        call = BilledCall(
            time.time(), self._run, self._turn, self.number, met, model, request, tokens[0], tokens[1], price
        )
        marks = ", ".join("?" for _ in COLUMNS)
        values = [getattr(call, name) for name, _ in COLUMNS]
        self._database.execute(f"insert into calls values ({marks})", values)  # noqa: S608 - only marks
        return call

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._database.execute("rollback" if kind else "commit")
        finally:
            self._lock.release()
