"""The tables. A figure is the median of the rounds, a ratio the median of the ratios within a round.

Only the p95 is that of all rounds together.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.rounds import IN_FLIGHT, Round, p95


@dataclass(frozen=True)
class Row:
    """A row of a table: one figure and its aim, as a ratio to the raw workflow."""

    metric: str
    title: str
    aim: str = ""
    at_most: float | None = None
    at_least: float | None = None


LATENCY = Row("p50", "latency p50, ms", "<= 1.25", at_most=1.25)

ROWS = (
    LATENCY,
    Row("runs", f"runs/s, {IN_FLIGHT} in flight", ">= 0.80", at_least=0.8),
    Row("worker", "worker CPU, ms a run"),
    Row("server", "server CPU, ms a run"),
    Row("bytes", "history, bytes a run"),
    Row("events", "history, events a run"),
)


def ratios(rounds: Sequence[object], base: Sequence[object], metric: str) -> list[float]:
    """Return a contender's figures divided by the base's, round by round."""
    return [
        getattr(measured, metric) / getattr(reference, metric) for measured, reference in zip(rounds, base, strict=True)
    ]


def verdict(row: Row, ratio: float) -> str:
    """Return whether a ratio meets its aim, as text; empty without an aim."""
    if row.at_most is not None:
        return "met" if ratio <= row.at_most else "missed"
    if row.at_least is not None:
        return "met" if ratio >= row.at_least else "missed"
    return ""


def compare(console: Console, rounds_by_contender: Mapping[str, Sequence[Round]], base: str) -> None:
    """Print a narrow table for each contender beside `base`."""
    for name, rounds in rounds_by_contender.items():
        if name == base:
            continue
        table = Table(title=f"The chain, {name}: {len(rounds)} interleaved rounds")
        table.add_column("")
        for title in (name, base, "ratio", "least", "greatest"):
            table.add_column(title, justify="right")
        table.add_column("aim")
        for row in ROWS:
            figures = [
                statistics.median(getattr(turn, row.metric) for turn in side)
                for side in (rounds, rounds_by_contender[base])
            ]
            parts = ratios(rounds, rounds_by_contender[base], row.metric)
            ratio = statistics.median(parts)
            table.add_row(
                row.title,
                *(f"{figure:,.1f}" for figure in figures),
                *(f"{part:.2f}" for part in (ratio, min(parts), max(parts))),
                f"{row.aim} {verdict(row, ratio)}".strip(),
            )
        slow, base_slow = p95(rounds), p95(rounds_by_contender[base])
        latency_verdict = verdict(LATENCY, slow / base_slow)
        table.add_row(
            "latency p95, ms, all rounds",
            *(f"{slow:,.1f}", f"{base_slow:,.1f}", f"{slow / base_slow:.2f}", "", ""),
            f"{LATENCY.aim} {latency_verdict}",
        )
        console.print(table)


def starts(console: Console, seconds_by_role: Mapping[str, Sequence[float]]) -> None:
    """Print the times to ready."""
    base = statistics.median(seconds_by_role["workflows"])
    table = Table(title="A worker from exec to ready")
    for title in ("role", "median, s", "fastest, s", "slowest, s", "/ workflows"):
        table.add_column(title, justify="left" if title == "role" else "right")
    for role, seconds in seconds_by_role.items():
        median = statistics.median(seconds)
        table.add_row(role, f"{median:.1f}", f"{min(seconds):.1f}", f"{max(seconds):.1f}", f"{median / base:.2f}")
    console.print(table)
