"""The start of a run from a request: the workflow, its queue, and its search attributes. Schedules use it too."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeAlias

from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.runs.registry import AGENT as AGENT_KIND
from perdure.contracts.runs.registry import CHAIN, EXTRACTION
from perdure.contracts.runs.run import AgentRequest, AnyPhase, AskRequest, ExtractRequest, Phase
from perdure.contracts.temporal.queues import BY_ROLE, Queue
from perdure.contracts.temporal.search_attributes import AGENT, PHASE, TENANT
from perdure.errors import RunConflict
from perdure.runs import retry_lost_namespace

REQUEST_DIGEST = "request_digest"
"""The memo field with the request's digest. It tells two requests with the same business id apart."""

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take for one workflow task. After it, the server notices that a worker has died in the middle.
"""

Request: TypeAlias = AskRequest | ExtractRequest | AgentRequest


LATER = ("within", "requires")
"""The fields that requests got after their first version, the newest last."""


def digest_of(request: Request) -> str:
    """Return the digest that tells requests apart. It ignores the caller: a retry with a newer token is the same run.

    A field of `LATER` counts only where it differs from its default, so that runs which were started before it existed
    keep their digest.
    """
    defaulted = {name for name in LATER if _is_default(request, name)}
    return hashlib.sha256(request.model_dump_json(exclude={"caller", *defaulted}).encode()).hexdigest()


def _is_default(request: Request, name: str) -> bool:
    field = type(request).model_fields.get(name)
    return field is not None and getattr(request, name) == field.default


@dataclass(frozen=True)
class Launch:
    """The arguments that start a workflow for a request."""

    kind: str
    """The workflow type."""
    agent: str
    """The chain, the schema or the agent that the run follows."""
    task_queue: Queue
    """The queue of the workflow."""
    memo: dict[str, Any]
    """The memo: the request's digest, and whether workers of one role each serve the run."""
    summary: str
    """The summary that the Temporal UI shows."""
    search_attributes: TypedSearchAttributes

    @classmethod
    def of(cls, request: Request, task_queue: Queue) -> Self:
        """Build the launch of this request, where chains are served by `task_queue`."""
        first: AnyPhase
        match request:
            case AskRequest():
                kind, agent, first = CHAIN, request.chain, Phase.ROUTING
            case ExtractRequest():
                kind, agent, first = EXTRACTION, request.schema_name, Phase.PARSING
            case AgentRequest():
                kind, agent, first = AGENT_KIND, request.agent, AgentPhase.PINNING
        return cls(
            kind=kind,
            agent=agent,
            task_queue=Queue.AGENTS if kind == AGENT_KIND else task_queue,
            memo={
                REQUEST_DIGEST: digest_of(request),
                BY_ROLE: task_queue is Queue.WORKFLOWS,
            },
            summary=f"{agent} for {request.tenant}",
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(TENANT, request.tenant),
                    SearchAttributePair(AGENT, agent),
                    SearchAttributePair(PHASE, first.value),
                ]
            ),
        )


async def require_same(handle: WorkflowHandle[Any, Any], tenant: str, business_id: str, launch: Launch) -> None:
    """Raise `RunConflict` unless the run that has this id was started by the same request."""
    description = await retry_lost_namespace(handle.describe)
    if await description.memo_value(REQUEST_DIGEST, default=None) != launch.memo[REQUEST_DIGEST]:
        raise RunConflict(
            f"the business id {business_id!r} was used by another request of tenant {tenant!r}: choose a new one"
        )
