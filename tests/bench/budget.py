"""Budgets at work: whether seeded runs with children exceed their limit, and how much of it they use."""

import statistics
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.state_machines.trials.budget_trial import Broken, Ended, Trial

METHOD = (
    "Each run buys on one budget of 20 to 60 worst cases until it is exhausted: up to 16 attempts in flight, budgets "
    "carved out three deep, replies in any order at a half to a quarter of their worst case, failures that cost "
    "nothing, lost replies, and saved ones found later. At every moment settled <= bill <= settled + reserved <= limit."
)


async def budget_trials(console: Console, runs: int, advance: Callable[[], None]) -> None:
    """Run trials with the seeds 0, 1, 2 and so on, and print."""
    console.print(METHOD)
    results: list[Ended] = []
    broken: list[str] = []
    for seed in range(runs):
        try:
            results.append(Trial(seed).run())
        except Broken as error:
            broken.append(f"seed {seed}: {error}")
        advance()
    table = Table(title=f"Budgets: {runs:,} runs")
    for title in ("overshoot", "attempts", "children", "utilisation: least", "median", "below 90 %"):
        table.add_column(title, justify="right")
    utilisations = [run.utilisation for run in results]
    table.add_row(
        str(len(broken)),
        f"{sum(run.attempts for run in results):,}",
        f"{sum(run.children for run in results):,}",
        f"{min(utilisations):.3f}",
        f"{statistics.median(utilisations):.3f}",
        str(sum(share < 0.9 for share in utilisations)),
    )
    console.print(table)
    for line in broken[:10]:
        console.print(line)
