"""Lists the effects: what each does to the world, and how it is run."""

from datetime import timedelta

from temporalio.common import RetryPolicy

from workflows.effects import EFFECTS

MINUTE = 60


def rows() -> list[tuple[str, ...]]:
    """Return a row for each effect, in the order in which the workflows declare them.

    A row says its name, how it runs, its queue, its timeouts, its retries, whether it is paid, and what it does to the
    world.
    """
    listed: list[tuple[str, ...]] = []
    for effect in EFFECTS:
        limits = {
            "run": effect.start_to_close_timeout,
            "wait": effect.schedule_to_start_timeout,
            "beat": effect.heartbeat_timeout,
        }
        unnamed = "the deployment's" if effect.paid else "within the task"
        listed.append(
            (
                effect.name,
                effect.runs_as.value,
                effect.task_queue.value if effect.task_queue else unnamed,
                ", ".join(f"{name} {_span(limit)}" for name, limit in limits.items() if limit),
                _retries(effect.retry_policy, paid=effect.paid),
                "yes" if effect.paid else "no",
                effect.world,
            )
        )
    return listed


def _span(limit: timedelta) -> str:
    seconds = limit.total_seconds()
    return f"{seconds / MINUTE:g} min" if seconds >= MINUTE else f"{seconds:g} s"


def _retries(policy: RetryPolicy, *, paid: bool) -> str:
    if paid:
        return "by the workflow, each reserved"
    return f"by Temporal, up to {policy.maximum_attempts} tries"
