"""The typed client: start runs, wait for them, inspect them, cancel them. It only needs a Temporal address."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from perdure.callers import CallerToken, token_for_start, with_ticket
from perdure.contracts.budget import Budget
from perdure.contracts.contract import BadInput
from perdure.contracts.runs.run import PATIENCE, AgentRequest, AskRequest, ExtractRequest, RunResult, RunStatus
from perdure.contracts.temporal.connecting import NotConnected, connect
from perdure.contracts.temporal.connection import connect_config, let_connection_rest
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.temporal.search_attributes import OUTCOME, PHASE
from perdure.errors import NoServer, RunFailed
from perdure.launch import TASK_TIMEOUT, Launch, Request, require_same
from perdure.run_control import RunControl
from perdure.run_retry import RunRetry
from perdure.run_views import RunViews, phase_named, state_named
from perdure.runs import checked_id, client_error, failure_details, failure_reason, retry_lost_namespace, workflow_id
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
        """The schedules of the platform: runs that a calendar starts."""
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
        """Connect to Temporal. Raises `NoServer` with its reason, and `BadInput` for an empty address or namespace.

        Without arguments the connection comes from Temporal's own environment configuration: `TEMPORAL_ADDRESS`,
        `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, TLS, or its TOML file; otherwise it is `localhost:7233`. `task_queue`
        is where runs are started: use `Queue.WORKFLOWS` where each role has its own workers. `within` limits the time
        to connect. `caller_token` is the signed token of the caller who starts runs here, or a function that returns a
        fresh one for each start. A token that is passed to a start has precedence; without any token the caller is
        `anonymous`.
        """
        for name, value in (("address", address), ("namespace", namespace)):
            if value is not None and not value.strip():
                raise BadInput(f"{name}: is empty: write one, or leave it out for the configured one (got {value!r})")
        try:
            config = connect_config()
        except ConnectionError as error:
            raise NoServer(str(error)) from None
        config["target_host"] = address if address is not None else config.get("target_host", "") or "localhost:7233"
        if namespace is not None:
            config["namespace"] = namespace
        try:
            client = await connect(config, within=within, data_converter=data_converter)
        except NotConnected as error:
            raise NoServer(str(error), error.reason) from None
        return cls(client, task_queue=task_queue, caller_token=caller_token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connection rest: a process that ends right after its last call to Temporal may crash."""
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
        """Ask a question and wait for the result: `start` and `result` in one call."""
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
        """Start a run of a chain and return its business id.

        `business_id` is your own name for the run; None for a random one. A second start with the same id and the same
        request changes nothing and returns the same id, whether the run is still running or over. `within` is how long
        after its start the run waits for a store or a model's server that is away (None for 15 minutes); then it fails.
        `caller_token` is the signed token of the caller, for a backend that serves many; a newer token does not make it
        another request.

        Raises `BadInput` for an invalid request, `RunConflict` for an id that another request has used, and
        `CallerRefused` for a token that was refused.
        """
        fields: dict[str, Any] = {"question": question, "tenant": tenant, "chain": chain, "tier": tier}
        fields |= {"budget": Budget() if budget is None else budget, "within": PATIENCE if within is None else within}
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
        """Read a record from a document and wait for the result.

        `document` is its text, or the bytes of its file; the ending of `name` says the file's type. `schema` names a
        file in `agents/schemas/`. The outcome is `Extracted`, with a record and the place of every value in the
        document, or `Refused` with the reasons. Raises the errors of `start` and `result`.
        """
        content = {"text": document} if isinstance(document, str) else {"content": document}
        fields = {
            "schema_name": schema,
            "file": {"name": name, **content},
            "tenant": tenant,
            "tier": tier,
            "budget": Budget() if budget is None else budget,
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
        requires: Sequence[str] = (),
        caller_token: str | None = None,
    ) -> RunResult:
        """Give an agent a task and wait for the result: `start_agent` and `result` in one call."""
        started = await self.start_agent(
            task,
            agent=agent,
            business_id=business_id,
            tenant=tenant,
            tier=tier,
            budget=budget,
            started_by=started_by,
            requires=requires,
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
        requires: Sequence[str] = (),
        caller_token: str | None = None,
    ) -> str:
        """Start an agent's run and return its business id. Raises the errors of `start`.

        `agent` names a file in `agents/`. `started_by` is the person who starts the run: with four eyes on a tool's
        calls, they may decide about none of them. With a `caller_token`, leave it out, or give the token's subject.
        `requires` names tools of which this task needs a write, `["create_ticket"]`: a run that ends without it is
        `Unfinished`, and not answered.
        """
        fields: dict[str, Any] = {"task": task, "tenant": tenant, "agent": agent, "tier": tier}
        if started_by:
            fields["started_by"] = started_by
        if requires:
            fields["requires"] = requires if isinstance(requires, str) else tuple(requires)
        if budget is not None:
            fields["budget"] = budget
        request = AgentRequest.strictly(fields)
        return await self.start_request(request, business_id=business_id, caller_token=caller_token)

    async def start_request(
        self, request: Request, *, business_id: str | None = None, caller_token: str | None = None
    ) -> str:
        """Start a run for the request and return its business id. Raises the errors of `start`."""
        run_name = checked_id(str(uuid.uuid4()) if business_id is None else business_id)
        launch, key = Launch.of(request, self._task_queue), workflow_id(request.tenant, run_name)
        token = token_for_start(caller_token, self._caller_token)
        if token is not None:
            request = await with_ticket(self._client, launch.task_queue, request, key, token)

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
            await retry_lost_namespace(start)
        except WorkflowAlreadyStartedError:
            await require_same(self._handle(request.tenant, run_name), request.tenant, run_name, launch)
        return run_name

    async def result(self, business_id: str, *, tenant: str = "default") -> RunResult:
        """Wait for the end of a run and return its result.

        Raises `UnknownRun`, or `RunFailed` where it ended without an outcome.
        """
        handle = self._handle(tenant, business_id)
        try:
            return await retry_lost_namespace(handle.result)
        except WorkflowFailureError as error:
            raise RunFailed(f"run {business_id!r} {failure_reason(error)}", failure_details(error)) from None
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None

    async def status(self, business_id: str, *, tenant: str = "default") -> RunStatus:
        """Return the status of a run. It needs no worker. Raises `UnknownRun`."""
        try:
            description = await retry_lost_namespace(self._handle(tenant, business_id).describe)
        except RPCError as error:
            raise client_error(error, business_id, tenant) from None
        phase = description.typed_search_attributes.get(PHASE)
        return RunStatus(
            business_id=business_id,
            tenant=tenant,
            workflow_id=description.id,
            temporal_run_id=description.run_id,
            state=state_named(description.status),
            phase=phase_named(phase) if phase else None,
            outcome=description.typed_search_attributes.get(OUTCOME),
            started=description.start_time,
            closed=description.close_time,
        )
