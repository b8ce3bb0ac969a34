"""What a request starts: the workflow, its queue, and what operators find it by. Calendars start runs by the same."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self, TypeAlias

from temporalio.common import SearchAttributePair, TypedSearchAttributes

from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.runs.registry import AGENT as AGENT_KIND
from perdure.contracts.runs.registry import CHAIN, EXTRACTION
from perdure.contracts.runs.run import AgentRequest, AnyPhase, AskRequest, ExtractRequest, Phase
from perdure.contracts.temporal.queues import BY_ROLE, Queue
from perdure.contracts.temporal.search_attributes import AGENT, PHASE, TENANT

REQUEST_DIGEST = "request_digest"
"""The memo field that tells two requests under one run id apart."""

TASK_TIMEOUT = timedelta(seconds=5)
"""How long a worker may take for one workflow task, and so how soon the death of one in the middle of it is seen."""

Request: TypeAlias = AskRequest | ExtractRequest | AgentRequest


LATER = ("within",)
"""Fields that requests have been given since their first version, the newest last."""


def digest_of(request: Request) -> str:
    """Tells two requests apart, whoever makes them: the same one with a newer token of its caller is the same run.

    A field that requests did not have before counts only where it says something: what was started then is found again.
    """
    silent = {name for name in LATER if _is_default(request, name)}
    return hashlib.sha256(request.model_dump_json(exclude={"caller", *silent}).encode()).hexdigest()


def _is_default(request: Request, name: str) -> bool:
    field = type(request).model_fields.get(name)
    return field is not None and getattr(request, name) == field.default


@dataclass(frozen=True)
class Launch:
    """A request as a start of a workflow."""

    kind: str
    """The workflow type."""
    agent: str
    """The chain, the schema or the agent that the run follows."""
    task_queue: Queue
    memo: dict[str, Any]
    summary: str
    search_attributes: TypedSearchAttributes

    @classmethod
    def of(cls, request: Request, task_queue: Queue) -> Self:
        """What starts this request, where chains are served by `task_queue`."""
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
