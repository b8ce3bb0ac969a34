"""The typed way in: start runs, wait for them, look at them, cancel them. Needs a Temporal address and nothing else."""

import asyncio
import uuid
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from perdure.callers import CallerToken, announced, token_of
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import PATIENCE, AgentRequest, AskRequest, ExtractRequest, RunResult, RunStatus
from perdure.contracts.temporal.connection import connect_config, let_connection_rest
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.temporal.search_attributes import OUTCOME, PHASE
from perdure.errors import NoServer, RunConflict, RunFailed
from perdure.launch import REQUEST_DIGEST, TASK_TIMEOUT, Launch, Request
from perdure.run_control import RunControl
from perdure.run_retry import RunRetry
from perdure.run_views import RunViews, phase_named, state_named
from perdure.runs import checked_id, failed_of, patiently, reason_of, unknown_or, workflow_id
from perdure.schedules import Schedules


class Platform(RunControl, RunViews, RunRetry):
    """A connection to the platform. Use it as an asynchronous context manager."""

    def __init__(
        self, client: Client, *, task_queue: Queue = Queue.PLATFORM, caller_token: CallerToken | None = None
    ) -> None:
        super().__init__(client)
        self._task_queue = task_queue
        self._caller_token = caller_token

    @property
    def schedules(self) -> Schedules:
        """The runs that a calendar starts."""
        return Schedules(self._client, self._task_queue)

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        task_queue: Queue = Queue.PLATFORM,
        within: timedelta = timedelta(seconds=10),
        caller_token: CallerToken | None = None,
    ) -> Self:
        """Connect to Temporal.

        Without arguments the connection comes from Temporal's own environment configuration: `TEMPORAL_ADDRESS`,
        `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, TLS, or its TOML file; else it is `localhost:7233`.
        `task_queue` is where runs are started: `Queue.WORKFLOWS` where each role has workers of its own.
        `caller_token` is the signed token of who starts runs here, or what has a fresh one for each start; a start's
        own comes before it, and without any the starter is `anonymous`. Raises `NoServer`.
        """
        try:
            config = connect_config()
        except ConnectionError as error:
            raise NoServer(str(error)) from None
        config["target_host"] = address or config.get("target_host") or "localhost:7233"
        if namespace is not None:
            config["namespace"] = namespace
        try:
            async with asyncio.timeout(within.total_seconds()):
                client = await Client.connect(**config, data_converter=data_converter)
                return cls(client, task_queue=task_queue, caller_token=caller_token)
        except (TimeoutError, RuntimeError, OSError):
            where = config["target_host"]
            raise NoServer(
                f"no Temporal server answers at {where}: start one with `make up`, or set TEMPORAL_ADDRESS"
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connection rest. A process that ends right after its last call to Temporal may crash otherwise."""
        await let_connection_rest()

    async def ask(
        self,
        question: str,
        *,
        business_id: str | None = None,
        tenant: str = "default",
        chain: str = "handbook",
        tier: str | None = None,
        budget: Budget | None = None,
        within: timedelta | None = None,
        caller_token: str | None = None,
    ) -> RunResult:
        """Ask a question and wait for what comes of it: `start` and `result` in one call."""
        started = await self.start(
            question,
            business_id=business_id,
            tenant=tenant,
            chain=chain,
            tier=tier,
            budget=budget,
            within=within,
            caller_token=caller_token,
        )
        return await self.result(started, tenant=tenant)

    async def start(
        self,
        question: str,
        *,
        business_id: str | None = None,
        tenant: str = "default",
        chain: str = "handbook",
        tier: str | None = None,
        budget: Budget | None = None,
        within: timedelta | None = None,
        caller_token: str | None = None,
    ) -> str:
        """Start a run and return its business id.

        `business_id` is the caller's own name for the run; None for a new random one. Starting it again with the same
        request changes nothing and returns the same id, whether the run is still going or over. What is away, a store
        or a model's server, it waits for until `within` after its start (15 minutes): then it fails. `caller_token` is
        the signed token of who starts it, for a backend that serves many; a newer one makes no other request.

        Raises `BadInput` for a request that cannot be used, `RunConflict` for an id that another request has used, and
        `CallerRefused` for a token that cannot be believed.
        """
        fields: dict[str, Any] = {"question": question, "tenant": tenant, "chain": chain, "tier": tier}
        fields |= {"budget": budget or Budget(), "within": PATIENCE if within is None else within}
        request = AskRequest.strictly(fields)
        return await self.start_request(request, business_id=business_id, caller_token=caller_token)

    async def extract(
        self,
        document: str | bytes,
        *,
        schema: str,
        name: str = "document.txt",
        business_id: str | None = None,
        tenant: str = "default",
        tier: str | None = None,
        budget: Budget | None = None,
        within: timedelta | None = None,
        caller_token: str | None = None,
    ) -> RunResult:
        """Read a record from a document, and wait for what comes of it.

        `document` is its text, or the bytes of its file; the ending of `name` says which kind it is. `schema` names a
        file in `agents/schemas/`. The outcome is `Extracted` with a record whose every value has its place in the
        document, or `Refused` with the reasons. Errors are those of `start` and `result`.
        """
        content = {"text": document} if isinstance(document, str) else {"content": document}
        fields = {
            "schema_name": schema,
            "file": {"name": name, **content},
            "tenant": tenant,
            "tier": tier,
            "budget": budget or Budget(),
            "within": PATIENCE if within is None else within,
        }
        request = ExtractRequest.strictly(fields)
        started = await self.start_request(request, business_id=business_id, caller_token=caller_token)
        return await self.result(started, tenant=tenant)

    async def run_agent(
        self,
        task: str,
        *,
        agent: str,
        business_id: str | None = None,
        tenant: str = "default",
        tier: str | None = None,
        budget: Budget | None = None,
        started_by: str = "",
        caller_token: str | None = None,
    ) -> RunResult:
        """Have an agent do a task, and wait for what comes of it: `start_agent` and `result` in one call."""
        started = await self.start_agent(
            task,
            agent=agent,
            business_id=business_id,
            tenant=tenant,
            tier=tier,
            budget=budget,
            started_by=started_by,
            caller_token=caller_token,
        )
        return await self.result(started, tenant=tenant)

    async def start_agent(
        self,
        task: str,
        *,
        agent: str,
        business_id: str | None = None,
        tenant: str = "default",
        tier: str | None = None,
        budget: Budget | None = None,
        started_by: str = "",
        caller_token: str | None = None,
    ) -> str:
        """Start an agent and return the run's business id. `agent` names a file in `agents/`. Errors are `start`'s.

        `started_by` is who has it done: with four eyes on a tool's calls, they decide about none of them.
        With a `caller_token` it is whom that names: leave it out, or say the same.
        """
        fields: dict[str, Any] = {"task": task, "tenant": tenant, "agent": agent, "tier": tier}
        if started_by:
            fields["started_by"] = started_by
        if budget is not None:
            fields["budget"] = budget
        request = AgentRequest.strictly(fields)
        return await self.start_request(request, business_id=business_id, caller_token=caller_token)

    async def start_request(
        self, request: Request, *, business_id: str | None = None, caller_token: str | None = None
    ) -> str:
        """Start what the request asks for, and return its business id. Errors are those of `start`."""
        name = checked_id(business_id or str(uuid.uuid4()))
        launch, key = Launch.of(request, self._task_queue), workflow_id(request.tenant, name)
        token = token_of(caller_token, self._caller_token)
        if token is not None:
            request = await announced(self._client, launch.task_queue, request, key, token)

        async def start() -> None:
            await self._client.start_workflow(
                launch.kind,
                request,
                id=key,
                task_queue=launch.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo=launch.memo,
                task_timeout=TASK_TIMEOUT,
                static_summary=launch.summary,
                search_attributes=launch.search_attributes,
            )

        try:
            await patiently(start)
        except WorkflowAlreadyStartedError:
            await self._require_same_request(request.tenant, name, launch.memo[REQUEST_DIGEST])
        return name

    async def result(self, business_id: str, *, tenant: str = "default") -> RunResult:
        """Wait for the end of a run. Raises `UnknownRun`, or `RunFailed` where it ended without an outcome."""
        handle = self._handle(tenant, business_id)
        try:
            return await patiently(handle.result)
        except WorkflowFailureError as error:
            raise RunFailed(f"run {business_id!r} {reason_of(error)}", failed_of(error)) from None
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None

    async def status(self, business_id: str, *, tenant: str = "default") -> RunStatus:
        """How a run stands. Needs no worker. Raises `UnknownRun`."""
        try:
            seen = await patiently(self._handle(tenant, business_id).describe)
        except RPCError as error:
            raise unknown_or(error, business_id, tenant) from None
        phase = seen.typed_search_attributes.get(PHASE)
        return RunStatus(
            business_id=business_id,
            tenant=tenant,
            workflow_id=seen.id,
            temporal_run_id=seen.run_id,
            state=state_named(seen.status),
            phase=phase_named(phase) if phase else None,
            outcome=seen.typed_search_attributes.get(OUTCOME),
            started=seen.start_time,
            closed=seen.close_time,
        )

    async def _require_same_request(self, tenant: str, business_id: str, digest: str) -> None:
        seen = await patiently(self._handle(tenant, business_id).describe)
        if await seen.memo_value(REQUEST_DIGEST, default=None) != digest:
            raise RunConflict(
                f"the business id {business_id!r} was used by another request of tenant {tenant!r}: choose a new one"
            )
