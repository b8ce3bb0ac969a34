"""The stub model's bill: every call that the stub accepted, in a file that outlives the callers."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from perdure.contracts.budget import Spend

__all__ = ["Bill", "BilledCall"]

COLUMNS = (
    ("at", "real not null"),
    ("run", "text not null"),
    ("turn", "integer not null"),
    ("attempt", "integer not null"),
    ("met", "text not null"),
    ("model", "text not null"),
    ("request", "text"),
    ("input_tokens", "integer not null"),
    ("output_tokens", "integer not null"),
    ("micro_dollars", "integer not null"),
)
"""The columns of the table `calls`, in the order of `BilledCall`."""


@dataclass(frozen=True)
class BilledCall:
    """One model call, as the model's owner counts it: before anything of the reply is sent."""

    at: float
    """The moment of the call, in seconds since the epoch."""
    run: str
    """The script's name for the run; empty for a call without a script."""
    turn: int
    """The number of the model's turn in the run, from 1; 0 for a summary of older turns."""
    attempt: int
    """The number of the call within its turn, from 1."""
    met: str
    """The result: `answered` or `dropped`, which are paid, or the HTTP status of a refused call, which is not."""
    model: str
    """The model that was asked for."""
    request: str | None
    """The caller's own id for the call, sent as `rid` or `user`; None where none was sent."""
    input_tokens: int
    output_tokens: int
    micro_dollars: int

    @property
    def paid(self) -> bool:
        """Whether the call costs anything."""
        return not self.met.isdecimal()


class Bill:
    """The stub model's bill, read from its file while the stub writes it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def calls(self, run: str | None = None) -> list[BilledCall]:
        """Return the calls of a run, or with None all calls, in the order in which they came, refused ones included."""
        names = ", ".join(name for name, _ in COLUMNS)
        query = f"select {names} from calls where ? is null or run = ? order by rowid"  # noqa: S608 - our own names
        with closing(sqlite3.connect(self._file.as_uri() + "?mode=ro", uri=True, timeout=20)) as database:
            return [BilledCall(*row) for row in database.execute(query, (run, run))]

    def spend(self, run: str | None = None) -> Spend:
        """Return what is owed for a run, or with None for all runs, whether or not anybody received the replies."""
        return sum((_spend(call) for call in self.calls(run) if call.paid), Spend())


def _spend(call: BilledCall) -> Spend:
    return Spend(
        steps=1,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        micro_dollars=call.micro_dollars,
    )
