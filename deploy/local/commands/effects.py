"""Renders the table of effects as text: what each effect does to the world, and how it is run."""

from datetime import timedelta

from temporalio.common import RetryPolicy

from perdure.contracts.temporal.queues import Queue
from workflows.effects import EFFECTS

MINUTE = 60

HEADINGS = ("effect", "runs as", "queue", "timeouts", "retries", "paid", "what it does to the world")


def table() -> str:
    """Return the table: one row for each effect, in the order in which the workflows declare them."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for effect in EFFECTS:
        limits = {
            "run": effect.start_to_close_timeout,
            "wait": effect.schedule_to_start_timeout,
            "beat": effect.heartbeat_timeout,
        }
        rows.append(
            (
                effect.name,
                effect.runs_as.value,
                effect.task_queue.value
                if effect.task_queue
                else "the deployment's"
                if effect.paid
                else "within the task",
                ", ".join(f"{name} {_span(limit)}" for name, limit in limits.items() if limit),
                _retries(effect.retry_policy, paid=effect.paid),
                "yes" if effect.paid else "no",
                effect.world,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    shared = Queue.PLATFORM.value
    lines += [
        "",
        f"By default all but the paid effects wait on the queue {shared!r}, which workers of all roles serve.",
    ]
    lines += ["The queues above are for runs that workers of one role each serve."]
    return "\n".join(lines)


def _span(limit: timedelta) -> str:
    seconds = limit.total_seconds()
    return f"{seconds / MINUTE:g} min" if seconds >= MINUTE else f"{seconds:g} s"


def _retries(policy: RetryPolicy, *, paid: bool) -> str:
    if paid:
        return "by the workflow, each reserved"
    return f"by Temporal, up to {policy.maximum_attempts} tries"
