"""The report of an eval: a table for people, records for programs, and the sums in a few lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Report:
    """What an eval measured. The command line prints it, as a table or as JSON."""

    lines: Sequence[str]
    """The sums, a line each."""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    """The table: a row for each question, task or document."""
    records: Sequence[Any] = field(default=())
    """What the rows show and more, as JSON values."""
    passed: bool = True
    """Whether the floor is met, where there is one."""
