"""Series of runs that were made in pairs, and their differences."""

import random
import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

RESAMPLES = 2000


def compare(console: Console, title: str, series: Mapping[str, Sequence[float]]) -> None:
    """Print each series, in milliseconds, and the difference of the first two, pair by pair."""
    first, second, *_ = series.values()
    differences = [left - right for left, right in zip(first, second, strict=True)]
    low, high = interval(differences)
    table = Table(title=title)
    for heading in ("", "p50, ms", "p95, ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, values in series.items():
        table.add_row(label, f"{statistics.median(values):.0f}", f"{p95(values):.0f}")
    first_name, second_name, *_ = series
    console.print(table)
    console.print(
        f"{first_name} - {second_name}, pair by pair: {statistics.median(differences):.0f} ms "
        f"({low:.0f} to {high:.0f} is the median's 95 % interval, by bootstrap)."
    )


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median of differences, by a bootstrap with a fixed seed."""
    draw = random.Random(1)  # noqa: S311 - a bootstrap, not a secret
    medians = sorted(statistics.median(draw.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    return medians[round(0.025 * RESAMPLES)], medians[round(0.975 * RESAMPLES) - 1]


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile of values; of a single value, the value itself."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
