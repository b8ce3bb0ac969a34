"""A scenario: a run that is recorded as a history, with its request, events from outside and ending."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowHistory

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import AgentRequest, AskRequest, ExtractRequest
from perdure.errors import RunFailed
from tests.replay.stage import Stage
from tests.support.tool_calls.odd_tools import Calls

QUESTION = "How many weeks of parental leave are paid in full?"

FAILED = "failed"
"""The ending of a run that failed; every other ending is an outcome."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run: its request, the replies to its model calls, and its ending."""

    name: str
    ending: str
    question: str = QUESTION
    budget: Budget | None = None
    """The limits of the run; None for the request's own default."""
    document: str | None = None
    """An invoice, for a run that extracts instead of answering."""
    agent: str | None = None
    """One of the stage's agents, for a run that does a task instead of answering."""
    tier: str | None = None
    script: tuple[object, ...] = ()
    racing: bool = False
    """Whether the decisions depend on which of two effects ends first."""
    continue_after: int | None = None
    """The events after which the server wants a new execution; None for its default."""
    execution: int = -1
    """The execution whose history is recorded."""
    meanwhile: Callable[[Platform, str, Stage], Awaitable[None]] | None = None
    """The actions from outside after the start of the run."""

    def request(self) -> AskRequest | ExtractRequest | AgentRequest:
        """Return the request that starts the run."""
        fields: dict[str, Any] = {} if self.budget is None else {"budget": self.budget}
        if self.document is not None:
            return ExtractRequest.strictly({"schema_name": "invoice", "file": {"text": self.document}, **fields})
        if self.agent is not None:
            return AgentRequest.strictly({"task": self.question, "agent": self.agent, **fields})
        return AskRequest.strictly({"question": self.question, "tier": self.tier, **fields})


async def play(scenario: Scenario, client: Client, stage: Stage, business_id: str) -> WorkflowHistory:
    """Run a scenario on the workers of the stage, and return its history."""
    platform = Platform(client)
    stage.stub.calls, stage.stub.script = 0, list(scenario.script)
    vars(stage.odd_calls).update(vars(Calls()))
    run = await platform.start_request(scenario.request(), business_id=business_id)
    if scenario.meanwhile is not None:
        await scenario.meanwhile(platform, run, stage)
    try:
        ending = (await asyncio.wait_for(platform.result(run), 60)).outcome.kind
    except RunFailed:
        ending = FAILED
    assert ending == scenario.ending, f"{scenario.name} was {ending}"
    return (await platform.executions(run))[scenario.execution]
