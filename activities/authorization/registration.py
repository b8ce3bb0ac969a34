"""Registers a run: its first effect does so, and what it registers holds for every later one."""

from temporalio import activity

from activities.authorization.identities import identity
from activities.ports import Callers, Execution, Executions, NotThisRun, Runs
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.budget import Budget
from perdure.contracts.contract import Digest
from perdure.contracts.runs.registry import RegisteredRun
from workflows.state_machines.approvals import policy_digest


class Registering:
    """Writes the registry, at the server's word for whose run it is."""

    def __init__(self, runs: Runs, executions: Executions, callers: Callers) -> None:
        self._runs = runs
        self._executions = executions
        self._callers = callers

    async def known(self, tenant: str) -> tuple[Execution, RegisteredRun | None]:
        """The execution that asks, and its run where it is registered: a reset or a retry of it asks again.

        Raises `NotThisRun` where the workflow's id is not the tenant's, `ServerAway`.
        """
        info = activity.info()
        if info.workflow_id is None or info.workflow_run_id is None:
            raise NotThisRun("no workflow asks for this effect: it is done for runs alone")
        if not info.workflow_id.startswith(f"{tenant}:"):
            raise NotThisRun(f"the run {info.workflow_id!r} is none of the tenant {tenant!r}: its id begins otherwise")
        seen = await self._executions.look(info.workflow_id, info.workflow_run_id)
        return seen, await self._runs.look(tenant, seen.first_run_id)

    async def register(
        self,
        seen: Execution,
        *,
        tenant: str,
        spec: str,
        pinned: Digest,
        budget: Budget,
        caller: Digest | None = None,
        started_by: str = "",
        agent: AgentSpec | None = None,
    ) -> RegisteredRun:
        """Register the run of an execution, with who started it.

        Raises `BadCaller` where their token was refused, `CallerAwaited` while it is not verified yet, `KeyTaken`,
        `StorageFull`, `StorageFailed`.
        """
        who = await identity(
            self._callers,
            tenant,
            seen.workflow_id,
            seen.first_run_id,
            caller,
            started_at=seen.started_at,
            started_by=started_by,
        )
        tools = () if agent is None else agent.tools
        return await self._runs.register(
            RegisteredRun(
                tenant=tenant,
                workflow_id=seen.workflow_id,
                run_id=seen.first_run_id,
                kind=seen.kind,
                spec=spec,
                pinned=pinned,
                tools={tool.name: tool.digest for tool in tools},
                policies={tool.name: policy_digest(tool) for tool in tools},
                budget=budget,
                subject=who.subject,
                groups=who.groups,
                roles=who.roles,
                started_by=started_by,
                parent=seen.parent,
            )
        )
