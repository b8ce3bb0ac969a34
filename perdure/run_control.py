"""What people and services do to a run while it goes on: look at what waits, decide, pause, resume, cancel."""

from typing import Any, TypeVar

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from perdure.contracts.contract import Contract
from perdure.contracts.control import Held, Pause, Resume
from perdure.contracts.decisions import DecisionReply, Pending, PendingStep, StepDecision
from perdure.contracts.run import RunResult
from perdure.errors import PlatformError
from perdure.runs import checked_id, patiently, unknown_or, workflow_id

Answer = TypeVar("Answer")


class RunControl:
    """A part of `Platform`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cancel(self, business_id: str, *, tenant: str = "default") -> None:
        """Ask a run to stop. Its outcome will be `cancelled`, with what was spent; a closed run stays as it is.

        Raises `UnknownRun`.
        """
        try:
            await patiently(self._handle(tenant, business_id).cancel)
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None

    async def pending(self, business_id: str, *, tenant: str = "default") -> tuple[PendingStep, ...]:
        """What in an agent's run waits for a person, each with the digest that a decision names. Needs a worker.

        Raises `UnknownRun`.
        """
        try:
            handle = self._handle(tenant, business_id)
            found: Pending = await patiently(lambda: handle.query("pending", result_type=Pending))
        except WorkflowQueryFailedError as error:
            raise PlatformError(f"run {business_id!r} has nothing that waits for people: {error}") from None
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None
        return found.steps

    async def decide(self, business_id: str, decision: StepDecision, *, tenant: str = "default") -> DecisionReply:
        """Tell a run what a person says about a step that waits; the reply says whether it holds, and if not, why.

        Raises `UnknownRun`, also for a run that is over.
        """
        return await self._told(tenant, business_id, "decide", decision, DecisionReply)

    async def pause(self, business_id: str, *, by: str, reason: str = "", tenant: str = "default") -> Held:
        """Have an agent's run begin nothing new until it is resumed. Raises `UnknownRun`, also for one that is over."""
        return await self._told(tenant, business_id, "pause", Pause(by=by, reason=reason), Held)

    async def resume(self, business_id: str, *, by: str, tenant: str = "default") -> Held:
        """Have an agent's run go on. Raises `UnknownRun`, also for one that is over."""
        return await self._told(tenant, business_id, "resume", Resume(by=by), Held)

    async def _told(self, tenant: str, business_id: str, name: str, said: Contract, reply: type[Answer]) -> Answer:
        handle = self._handle(tenant, business_id)
        try:
            return await patiently(lambda: handle.execute_update(name, said, result_type=reply))
        except WorkflowUpdateFailedError as error:
            raise PlatformError(f"run {business_id!r} did not take it: {error.cause}") from None
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None

    def _handle(self, tenant: str, business_id: str) -> WorkflowHandle[Any, RunResult]:
        return self._client.get_workflow_handle(workflow_id(tenant, checked_id(business_id)), result_type=RunResult)
