"""Builds the table of all versions: the status of each, its running runs, and when a worker was last seen."""

from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from activities.adapters.temporal.worker_versions import Versions

HEADINGS = ("version", "status", "running", "worker last seen")


def table(deployment: str, versions: Versions) -> Table:
    """Return a table with a row for every version, the oldest first."""
    rows = Table(title=f"Versions of {escape(deployment)}")
    for heading in HEADINGS:
        rows.add_column(heading, overflow="fold")
    for version in versions.known:
        rows.add_row(escape(version.build), version.status, str(version.running), _ago(version.seen))
    return rows


def _ago(seen: datetime | None) -> str:
    return "" if seen is None else f"{max(0, round((datetime.now(UTC) - seen).total_seconds()))} s ago"
