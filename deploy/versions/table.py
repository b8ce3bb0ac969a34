"""The table of all versions: how each stands, what runs on it, and when one of its workers was last seen."""

from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from activities.adapters.temporal.worker_versions import Versions

HEADINGS = ("version", "status", "running", "worker last seen")


def table(deployment: str, found: Versions) -> Table:
    """A row for every version, the oldest first."""
    made = Table(title=f"Versions of {escape(deployment)}")
    for heading in HEADINGS:
        made.add_column(heading, overflow="fold")
    for each in found.known:
        made.add_row(escape(each.build), each.status, str(each.running), _ago(each.seen))
    return made


def _ago(seen: datetime | None) -> str:
    return "" if seen is None else f"{max(0, round((datetime.now(UTC) - seen).total_seconds()))} s ago"
