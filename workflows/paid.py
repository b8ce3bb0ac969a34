"""Paid effects: the workflow retries them itself, so that every attempt is reserved and recorded."""

from collections.abc import Callable
from typing import TypeVar, assert_never

from temporalio import workflow

from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.contract import Contract
from perdure.contracts.fault import EffectFailed
from perdure.contracts.spec import Deployment
from perdure.contracts.steps import BindDeployment, PaidReply
from workflows.effects import BIND_DEPLOYMENT, Effect, perform
from workflows.state_machines.purchase import Buy, GiveUp, OverBudget, Purchase, next_step

Ask = TypeVar("Ask", bound=Contract)
Paid = TypeVar("Paid", bound=PaidReply)


class Purse:
    """A run's allowance, and the only place that spends from it."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance

    async def buy(
        self,
        effect: Effect[Ask, Paid],
        step: str,
        ask: Callable[[int, Deployment, Spend], Ask],
        *,
        deployment: Deployment,
        worst: Callable[[Deployment], Spend],
        attempts: int,
    ) -> Paid | OverBudget:
        """Buy one step: attempt after attempt, each reserved first, until one replies.

        `ask(attempt, deployment, worst)` makes the request, `worst(deployment)` prices it. The first attempt goes to
        `deployment`; before each later one a recorded effect chooses again. Raises `EffectFailed` where no attempt
        can help; returns `OverBudget` where the next one is not affordable.
        """
        purchase = Purchase(step=step, allowance=self.allowance, most_attempts=attempts)
        while True:
            if purchase.attempts and not purchase.final:
                bound = await perform(BIND_DEPLOYMENT, BindDeployment(tier=deployment.tier), summary=deployment.tier)
                deployment = bound.deployment
            price = worst(deployment)
            match next_step(purchase, price, workflow.now()):
                case Buy(attempt, purchase):
                    self.allowance = purchase.allowance
                    try:
                        reply = await perform(
                            effect,
                            ask(attempt, deployment, price),
                            task_queue=deployment.task_queue,
                            summary=f"{deployment.name}, attempt {attempt}",
                        )
                    except EffectFailed as failure:
                        purchase = purchase.failed(
                            failure.reason, free_of_charge=failure.free_of_charge, final=failure.final
                        )
                        self.allowance = purchase.allowance
                    else:
                        self.allowance = purchase.settled(reply.charges).allowance
                        return reply
                case OverBudget() as over:
                    return over
                case GiveUp(reason):
                    raise EffectFailed(effect.name, reason)
                case never:
                    assert_never(never)
