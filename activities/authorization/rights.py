"""Whether an effect was asked for by the run that it is for: the server and the registry say so, never the request."""

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
"""Executions that a process remembers, about a kilobyte each: every step of one asks again."""


NOT_PINNED = "0" * 64
"""The spec of a run that began before there was a registry, and whose effects name none."""


class Rights:
    """Looks a run up once for each of its executions, and remembers it."""

    def __init__(self, runs: Runs, executions: Executions) -> None:
        self._runs = runs
        self._executions = executions
        self._known: OrderedDict[tuple[str, str], RegisteredRun] = OrderedDict()

    async def of(self, key: StepKey, pinned: Digest | None = None) -> RegisteredRun:
        """The registered run whose workflow asks for this effect.

        Raises `NotThisRun` where the key names another run, where none is registered, or where `pinned`, the digest of
        the spec that the request names, is not the one that was registered; `ServerAway`, `StorageFailed`.
        """
        info = activity.info()
        workflow_id, execution = info.workflow_id, info.workflow_run_id
        if workflow_id is None or execution is None:
            raise NotThisRun("no workflow asks for this effect: it is done for registered runs alone")
        if workflow_id != key.workflow_id:
            raise NotThisRun(f"the key names the run {key.workflow_id!r}, and {workflow_id!r} asks: nothing was done")
        run = self._known.get((workflow_id, execution))
        if run is None:
            run = await self._looked_up(key, workflow_id, execution, pinned)
            self._known[workflow_id, execution] = run
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end((workflow_id, execution))
        if (run.tenant, run.run_id) != (key.tenant, key.run_id):
            raise NotThisRun(
                f"the key names the tenant {key.tenant!r} and the first execution {key.run_id!r}, and the run that "
                f"asks is {run.tenant!r}, {run.run_id!r}: nothing was done"
            )
        if pinned is not None and pinned != run.pinned:
            raise NotThisRun(f"the request names the spec {pinned!r}, and the run has registered {run.pinned!r}")
        return run

    async def _looked_up(self, key: StepKey, workflow_id: str, execution: str, pinned: Digest | None) -> RegisteredRun:
        seen = await self._executions.look(workflow_id, execution)
        run = await self._runs.look(key.tenant, seen.first_run_id) or await self._adopted(key, seen, pinned)
        if run is None or run.workflow_id != workflow_id or run.kind != seen.kind:
            raise NotThisRun(f"the run {workflow_id!r} is not registered: its first effect does that")
        return run

    async def _adopted(self, key: StepKey, seen: Execution, pinned: Digest | None) -> RegisteredRun | None:
        """The registration of a run that began before there was a registry; None for any other.

        When it began, and with which budget, the server says. Which spec it follows only its workflow knows.
        """
        since = await self._runs.upgraded_at()
        if since is None or not seen.workflow_id.startswith(f"{key.tenant}:"):
            return None
        began = await self._executions.beginning(seen.workflow_id, seen.first_run_id)
        if began.at >= since:
            return None
        return await self._runs.register(
            RegisteredRun(
                tenant=key.tenant,
                workflow_id=seen.workflow_id,
                run_id=seen.first_run_id,
                kind=seen.kind,
                spec=str(began.request.get("agent") or began.request.get("chain") or seen.kind),
                pinned=pinned or NOT_PINNED,
                budget=_budget(began.request),
                started_by=str(began.request.get("started_by") or ""),
                parent=seen.parent,
            )
        )


def _budget(request: Mapping[str, Any]) -> Budget:
    """The budget that a run was started with, or the default of its kind."""
    given = request.get("budget")
    if isinstance(given, dict):
        return Budget.model_validate(given)
    return AgentRequest.model_fields["budget"].default if "agent" in request else Budget()
