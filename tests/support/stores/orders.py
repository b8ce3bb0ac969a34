"""Orders of paid steps for tests of their stores, and accounts that are opened at a run's first step."""

from collections.abc import Sequence

from activities.adapters.databases.database import Database
from activities.adapters.sql.paid_replies import LimitOf, SqlPaidReplies
from activities.adapters.sql.runs import SqlRuns
from activities.ports import Order, Paid
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.registry import RegisteredRun

QUESTION = "a" * 64
STEP = Spend(steps=1)
AMPLE = Budget(steps=10**6, tool_calls=10**6, input_tokens=10**9, output_tokens=10**9, micro_dollars=10**12)


def order(
    key: StepKey,
    attempt: int,
    *,
    question: str = QUESTION,
    worst: Spend = STEP,
    asking: str = "",
    bodies: Sequence[bytes] = (),
) -> Order:
    """Return one order of a step, named after its number unless a name is given; an equal name is the same order."""
    name = asking or f"asking-{attempt}"
    return Order(key=key, attempt=attempt, question=question, worst=worst, asking=name, bodies=bodies)


def run_of(key: StepKey, budget: Budget = AMPLE, pinned: str = "0" * 64, kind: str = "chain") -> RegisteredRun:
    """Return the run of a key, as its first effect registers it."""
    return RegisteredRun(
        tenant=key.tenant,
        workflow_id=key.workflow_id,
        run_id=key.run_id,
        kind=kind,
        spec="handbook",
        pinned=pinned,
        budget=budget,
    )


class RegisteredReplies(SqlPaidReplies):
    """The real store of replies, which registers a run at its first step."""

    def __init__(self, database: Database, limit_of: LimitOf = lambda _: None, budget: Budget = AMPLE) -> None:
        super().__init__(database, limit_of)
        self._runs = SqlRuns(database)
        self._budget = budget

    async def begin(self, order: Order, reply: type[Paid]) -> Paid | None:
        await self._runs.register(run_of(order.key, self._budget))
        return await super().begin(order, reply)
