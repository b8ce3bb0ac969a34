"""Budgets at work: whether seeded runs of buyers and children overshoot, and how much of their limit they use."""

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


async def budget_trials(console: Console, runs: int, done: Callable[[], None]) -> None:
    """Seeds 0, 1, 2 and so on."""
    console.print(METHOD)
    ended: list[Ended] = []
    broken: list[str] = []
    for seed in range(runs):
        try:
            ended.append(Trial(seed).run())
        except Broken as error:
            broken.append(f"seed {seed}: {error}")
        done()
    table = Table(title=f"Budgets: {runs:,} runs")
    for title in ("overshoot", "attempts", "children", "utilisation: least", "median", "below 90 %"):
        table.add_column(title, justify="right")
    used = [run.utilisation for run in ended]
    table.add_row(
        str(len(broken)),
        f"{sum(run.attempts for run in ended):,}",
        f"{sum(run.children for run in ended):,}",
        f"{min(used):.3f}",
        f"{statistics.median(used):.3f}",
        str(sum(each < 0.9 for each in used)),
    )
    console.print(table)
    for line in broken[:10]:
        console.print(line)
