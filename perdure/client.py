"""The typed way in: start runs, wait for them, look at them, cancel them. Needs a Temporal address and nothing else."""

import asyncio
import hashlib
import uuid
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, cast

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from perdure.contracts.agent import AgentPhase
from perdure.contracts.budget import Budget
from perdure.contracts.converter import data_converter
from perdure.contracts.queues import BY_ROLE, Queue
from perdure.contracts.run import AgentRequest, AnyPhase, AskRequest, ExtractRequest, Phase, RunResult, RunStatus
from perdure.contracts.search_attributes import AGENT, OUTCOME, PHASE, TENANT
from perdure.errors import NoServer, RunConflict, RunFailed
from perdure.run_control import RunControl
from perdure.runs import checked_id, patiently, reason_of, unknown_or, workflow_id

CHAIN, EXTRACTION, AGENT_RUN = "chain", "extraction", "agent"
"""The workflow types."""

REQUEST_DIGEST = "request_digest"
"""The memo field that tells two requests under one run id apart."""

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take for one workflow task, and so how soon the death of one in the middle of it is seen."""


def phase_named(phase: str) -> AnyPhase:
    """The phase of this name, of whatever kind of run."""
    return Phase(phase) if phase in {known.value for known in Phase} else AgentPhase(phase)


class Platform(RunControl):
    """A connection to the platform. Use it as an asynchronous context manager."""

    def __init__(self, client: Client, *, task_queue: Queue = Queue.PLATFORM) -> None:
        super().__init__(client)
        self._task_queue = task_queue

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        task_queue: Queue = Queue.PLATFORM,
        within: timedelta = timedelta(seconds=10),
    ) -> Self:
        """Connect to Temporal.

        Without arguments the connection comes from Temporal's own environment configuration: `TEMPORAL_ADDRESS`,
        `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, TLS, or its TOML file; else it is `localhost:7233`.
        `task_queue` is where runs are started: `Queue.WORKFLOWS` where each role has workers of its own.
        Raises `NoServer`.
        """
        config = ClientConfig.load_client_connect_config()
        config["target_host"] = address or config.get("target_host") or "localhost:7233"
        if namespace is not None:
            config["namespace"] = namespace
        try:
            connecting = Client.connect(**config, data_converter=data_converter)
            return cls(await asyncio.wait_for(connecting, within.total_seconds()), task_queue=task_queue)
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
        await asyncio.sleep(0.05)

    async def ask(
        self,
        question: str,
        *,
        business_id: str | None = None,
        tenant: str = "default",
        chain: str = "handbook",
        tier: str | None = None,
        budget: Budget | None = None,
    ) -> RunResult:
        """Ask a question and wait for what comes of it: `start` and `result` in one call."""
        started = await self.start(
            question, business_id=business_id, tenant=tenant, chain=chain, tier=tier, budget=budget
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
    ) -> str:
        """Start a run and return its business id.

        `business_id` is the caller's own name for the run; None for a new random one. Starting it again with the same
        request changes nothing and returns the same id, whether the run is still going or over. Raises `BadInput` for
        a request that cannot be used and `RunConflict` for an id that another request has used.
        """
        fields = {"question": question, "tenant": tenant, "chain": chain, "tier": tier, "budget": budget or Budget()}
        return await self.start_request(AskRequest.strictly(fields), business_id=business_id)

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
        }
        started = await self.start_request(ExtractRequest.strictly(fields), business_id=business_id)
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
    ) -> str:
        """Start an agent and return the run's business id. `agent` names a file in `agents/`. Errors are `start`'s.

        `started_by` is who has it done: with four eyes on a tool's calls, they decide about none of them.
        """
        fields: dict[str, Any] = {"task": task, "tenant": tenant, "agent": agent, "tier": tier}
        if started_by:
            fields["started_by"] = started_by
        if budget is not None:
            fields["budget"] = budget
        return await self.start_request(AgentRequest.strictly(fields), business_id=business_id)

    async def start_request(
        self, request: AskRequest | ExtractRequest | AgentRequest, *, business_id: str | None = None
    ) -> str:
        """Start what the request asks for, and return its business id. Errors are those of `start`."""
        name = checked_id(business_id or str(uuid.uuid4()))
        digest = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        match request:
            case AskRequest():
                kind, agent, first = CHAIN, request.chain, Phase.ROUTING
            case ExtractRequest():
                kind, agent, first = EXTRACTION, request.schema_name, Phase.PARSING
            case AgentRequest():
                kind, agent, first = AGENT_RUN, request.agent, AgentPhase.PINNING

        async def start() -> None:
            await self._client.start_workflow(
                kind,
                request,
                id=workflow_id(request.tenant, name),
                task_queue=Queue.AGENTS if kind == AGENT_RUN else self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={REQUEST_DIGEST: digest, BY_ROLE: self._task_queue is Queue.WORKFLOWS},
                task_timeout=TASK_TIMEOUT,
                static_summary=f"{agent} for {request.tenant}",
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(TENANT, request.tenant),
                        SearchAttributePair(AGENT, agent),
                        SearchAttributePair(PHASE, first.value),
                    ]
                ),
            )

        try:
            await patiently(start)
        except WorkflowAlreadyStartedError:
            await self._require_same_request(request.tenant, name, digest)
        return name

    async def result(self, business_id: str, *, tenant: str = "default") -> RunResult:
        """Wait for the end of a run. Raises `UnknownRun`, or `RunFailed` where it ended without an outcome."""
        handle = self._handle(tenant, business_id)
        try:
            return await patiently(handle.result)
        except WorkflowFailureError as error:
            raise RunFailed(f"run {business_id!r} {reason_of(error)}") from None
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
            state=cast("Any", (seen.status or WorkflowExecutionStatus.RUNNING).name.lower()),
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
