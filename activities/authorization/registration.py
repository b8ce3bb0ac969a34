"""Registers a run. Its first effect does so, and every later effect is held to this registration."""

from temporalio import activity

from activities.authorization.identities import identity
from activities.ports import Callers, Execution, Executions, NotThisRun, Runs
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.budget import Budget
from perdure.contracts.contract import Digest
from perdure.contracts.runs.registry import RegisteredRun
from workflows.state_machines.approvals import policy_digest


class Registration:
    """Writes the registry. The Temporal server says which run an execution belongs to."""

    def __init__(self, runs: Runs, executions: Executions, callers: Callers) -> None:
        self._runs = runs
        self._executions = executions
        self._callers = callers

    async def look(self, tenant: str) -> tuple[Execution, RegisteredRun | None]:
        """Return the execution that called, and its run if it is registered already, as after a reset or a retry.

        Raises `NotThisRun` if the workflow's id is not the tenant's, `ServerAway`.
        """
        info = activity.info()
        if info.workflow_id is None or info.workflow_run_id is None:
            raise NotThisRun("no workflow asks for this effect: it is done for runs alone")
        if not info.workflow_id.startswith(f"{tenant}:"):
            raise NotThisRun(f"the run {info.workflow_id!r} is none of the tenant {tenant!r}: its id begins otherwise")
        execution = await self._executions.look(info.workflow_id, info.workflow_run_id)
        return execution, await self._runs.look(tenant, execution.first_run_id)

    async def register(
        self,
        execution: Execution,
        *,
        tenant: str,
        spec: str,
        pinned: Digest,
        budget: Budget,
        caller: Digest | None = None,
        started_by: str = "",
        agent: AgentSpec | None = None,
    ) -> RegisteredRun:
        """Register the run of an execution, with the identity of its caller.

        Raises `BadCaller` if the caller's token was refused, `CallerAwaited` until it is verified, `KeyTaken`,
        `StorageFull`, `StorageFailed`.
        """
        starter = await identity(
            self._callers,
            tenant,
            execution.workflow_id,
            execution.first_run_id,
            caller,
            started_at=execution.started_at,
            started_by=started_by,
        )
        tools = () if agent is None else agent.tools
        return await self._runs.register(
            RegisteredRun(
                tenant=tenant,
                workflow_id=execution.workflow_id,
                run_id=execution.first_run_id,
                kind=execution.kind,
                spec=spec,
                pinned=pinned,
                tools={tool.name: tool.digest for tool in tools},
                policies={tool.name: policy_digest(tool) for tool in tools},
                budget=budget,
                subject=starter.subject,
                groups=starter.groups,
                roles=starter.roles,
                started_by=started_by,
                parent=execution.parent,
            )
        )
