"""Checks that an effect is called by the run that it names, by the server and the registry and not by the request."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from temporalio import activity

from activities.ports import Execution, Executions, NotThisRun, Runs
from perdure.contracts.budget import Budget
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Digest
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.runs.run import AgentRequest

REMEMBERED = 4096
"""The most executions in a process's cache, about a kilobyte each: every step of a run looks its own up."""


NOT_PINNED = "0" * 64
"""The spec's digest of a run that began before there was a registry, if its effects name no spec."""


class Rights:
    """Looks a run up once for each of its executions, and caches it."""

    def __init__(self, runs: Runs, executions: Executions) -> None:
        self._runs = runs
        self._executions = executions
        self._cache: OrderedDict[tuple[str, str], RegisteredRun] = OrderedDict()

    async def of(self, key: StepKey, pinned: Digest | None = None) -> RegisteredRun:
        """Return the registered run whose workflow called this effect.

        Raises `NotThisRun` if the key names another run, if no run is registered, or if `pinned`, the digest of the
        spec in the request, is not the registered one; `ServerAway`, `StorageFailed`.
        """
        info = activity.info()
        workflow_id, execution = info.workflow_id, info.workflow_run_id
        if workflow_id is None or execution is None:
            raise NotThisRun("no workflow asks for this effect: it is done for registered runs alone")
        if workflow_id != key.workflow_id:
            raise NotThisRun(f"the key names the run {key.workflow_id!r}, and {workflow_id!r} asks: nothing was done")
        run = self._cache.get((workflow_id, execution))
        if run is None:
            run = await self._look_up(key, workflow_id, execution, pinned)
            self._cache[workflow_id, execution] = run
            while len(self._cache) > REMEMBERED:
                self._cache.popitem(last=False)
        self._cache.move_to_end((workflow_id, execution))
        if (run.tenant, run.run_id) != (key.tenant, key.run_id):
            raise NotThisRun(
                f"the key names the tenant {key.tenant!r} and the first execution {key.run_id!r}, and the run that "
                f"asks is {run.tenant!r}, {run.run_id!r}: nothing was done"
            )
        if pinned is not None and pinned != run.pinned:
            raise NotThisRun(f"the request names the spec {pinned!r}, and the run has registered {run.pinned!r}")
        return run

    async def _look_up(self, key: StepKey, workflow_id: str, run_id: str, pinned: Digest | None) -> RegisteredRun:
        execution = await self._executions.look(workflow_id, run_id)
        run = await self._runs.look(key.tenant, execution.first_run_id) or await self._adopt(key, execution, pinned)
        if run is None or run.workflow_id != workflow_id or run.kind != execution.kind:
            raise NotThisRun(f"the run {workflow_id!r} is not registered: its first effect does that")
        return run

    async def _adopt(self, key: StepKey, execution: Execution, pinned: Digest | None) -> RegisteredRun | None:
        """Register a run that began before there was a registry, and return it; None for any other run.

        Its beginning and its budget come from the server. Its spec comes from the request, since only the workflow
        knows it.
        """
        since = await self._runs.upgraded_at()
        if since is None or not execution.workflow_id.startswith(f"{key.tenant}:"):
            return None
        beginning = await self._executions.beginning(execution.workflow_id, execution.first_run_id)
        if beginning.at >= since:
            return None
        return await self._runs.register(
            RegisteredRun(
                tenant=key.tenant,
                workflow_id=execution.workflow_id,
                run_id=execution.first_run_id,
                kind=execution.kind,
                spec=str(beginning.request.get("agent") or beginning.request.get("chain") or execution.kind),
                pinned=NOT_PINNED if pinned is None else pinned,
                budget=_budget(beginning.request),
                started_by=str(beginning.request.get("started_by") or ""),
                parent=execution.parent,
            )
        )


def _budget(request: Mapping[str, Any]) -> Budget:
    """Return the budget that a run was started with, or the default of its kind."""
    budget = request.get("budget")
    if isinstance(budget, dict):
        return Budget.model_validate(budget)
    return AgentRequest.model_fields["budget"].default if "agent" in request else Budget()
