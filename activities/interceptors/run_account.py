"""Adds the run's account to its paid replies, since a reset run forgets what it spent after the reset's point."""

from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import Accounts, PortError
from perdure.contracts.agents.steps import Acted
from perdure.contracts.budget import Charged
from perdure.contracts.chains.steps import PaidReply, StepKey


class Accounting(Interceptor):
    """Worker interceptor for all activities.

    Only executions that a reset or a continue-as-new has begun get the account. A run's first execution knows all of
    its charges, so its history need not grow.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self._accounts)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, accounts: Accounts) -> None:
        super().__init__(next)
        self._accounts = accounts

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        reply: Any = await super().execute_activity(input)
        key = getattr(input.args[0], "key", None) if input.args else None
        if not isinstance(key, StepKey) or not isinstance(reply, PaidReply | Acted):
            return reply
        if activity.info().workflow_run_id == key.run_id:
            return reply
        with suppress(PortError):  # a paid reply is never lost because the account is away: the next reply has it
            account = await self._accounts.look(key.tenant, key.run_id)
            if account is not None:
                charged = Charged(settled=account.settled, reserved=account.reserved)
                return reply.model_copy(update={"account": charged})
        return reply
