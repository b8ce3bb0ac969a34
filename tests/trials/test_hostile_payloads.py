"""Hostile payloads that reach runs in every possible way wedge no run, and lose nothing."""

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.queues import Queue
from perdure.runs import workflow_id
from tests.support.runs.hostile_payloads import KINDS, SECRET, GenuineReferences, genuine_references, hostile
from tests.support.runs.people import calls, decision, message, waiting
from tests.support.servers.stub_model import StubModel
from tests.trials.conftest import Platforms, Report
from workflows.agent_parts.progress import STRAYS

AT_ONE_RUN = 25
"""The most payloads for one run, about half of them by signals: a run reports only so many."""

WAYS = {"signal": 12, "update": 6, "start": 4, "query": 3}
"""The ways of sending a payload, and how often each is taken of 25."""

NAMES = ("decide", "decide", "decide", "pause", "resume", "no_such")
"""The names of the receivers."""

IN_TIME = timedelta(seconds=60)


@dataclass
class Thrower:
    """A client of the namespace without any right, who has read histories."""

    client: Client
    handle: WorkflowHandle[Any, Any]
    genuine: GenuineReferences
    draw: Random
    strays: int = 0
    thrown: Counter[str] = field(default_factory=Counter[str])
    kinds: Counter[str] = field(default_factory=Counter[str])

    async def throw(self) -> None:
        """Send one message, mostly of one payload. Each way ends in time, and with the expected result."""
        way = self.draw.choices(list(WAYS), list(WAYS.values()))[0]
        payloads = [self._payload() for _ in range(self.draw.choices([1, 0, 2, 3], [20, 1, 2, 1])[0])]
        inputs = [RawValue(payload) for payload in payloads]
        self.thrown[way] += 1
        match way:
            case "signal":
                name = self.draw.choice(("decide", "decide", "no_such"))
                self.strays += name == "decide"
                await self.handle.signal(name, args=inputs)
            case "update":
                await self._refused(self.draw.choice(NAMES), inputs)
            case "query":
                await self._query(self.draw.choice(("pending", "no_such")), inputs)
            case _:
                await self._started(inputs)

    def _payload(self) -> Payload:
        kind, payload = hostile(self.draw, self.genuine)
        self.kinds[kind] += 1
        return payload

    async def _refused(self, name: str, inputs: list[RawValue]) -> None:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await self.handle.execute_update(name, args=inputs, rpc_timeout=IN_TIME)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.message

    async def _query(self, name: str, inputs: list[RawValue]) -> None:
        try:
            answer: Any = await self.handle.query(name, args=inputs, rpc_timeout=IN_TIME)
        except WorkflowQueryFailedError:
            return
        assert name == "pending", "what there is answers, whatever it is asked with"
        assert isinstance(answer, RawValue), "and even the answer leaves the history here: only workers read it"

    async def _started(self, inputs: list[RawValue]) -> None:
        name = f"default:hostile-{uuid.uuid4().hex}"
        started = await self.client.start_workflow("agent", args=inputs, id=name, task_queue=Queue.AGENTS)
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(started.result(), IN_TIME.total_seconds())
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "BadRequest", failed.value.cause
        assert failed.value.cause.message
        assert await failed_tasks(started) == []


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Return why tasks of a run failed: each is tried again for ever."""
    events = (await handle.fetch_history()).events
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in events
        if event.HasField("workflow_task_failed_event_attributes")
    ]


async def test_no_run_is_wedged_and_nothing_lost_whatever_is_thrown_at_it(
    client: Client, platforms: Platforms, stub: StubModel, desk_server: DeskServer, report: Report
) -> None:
    draw = Random(report.seed)  # noqa: S311 - a trial, not a secret
    platform = Platform(platforms.client)
    thrown, kinds, runs = Counter[str](), Counter[str](), 0
    while (remaining := report.thrown - thrown.total()) > 0:
        runs += 1
        stub.script = [calls(message(f"number {runs}")), {"content": "Done."}]
        run = await platform.start_agent("Write to bob.", agent="clerk", business_id=uuid.uuid4().hex)
        [step] = await waiting(platform, run)
        name = workflow_id("default", run)
        stolen = await genuine_references(platforms.parts.blobs, platforms.keys, name)
        thrower = Thrower(client, client.get_workflow_handle(name), stolen, draw)
        for _ in range(min(AT_ONE_RUN, remaining)):
            await thrower.throw()
        [still] = await waiting(platform, run)
        assert still == step
        await platform.decide(run, decision(step))
        result = await platform.result(run)
        assert isinstance(result.outcome, Answered)
        notices = [notice for notice in result.notices if "a signal was no decision" in notice]
        assert len(notices) == min(thrower.strays, STRAYS)
        assert await failed_tasks(thrower.handle) == []
        thrown, kinds = thrown + thrower.thrown, kinds + thrower.kinds
    messages = desk_server.desk.received()["messages"]
    assert list(messages.values()) == [1] * runs
    assert not any(SECRET in str(request) for request in stub.requests), "no model has read another run's text"
    if report.thrown > len(KINDS) ** 2:
        assert kinds.keys() == set(KINDS)
    ways = ", ".join(f"{number} by {way}" for way, number in sorted(thrown.items()))
    report.lines.append(
        f"{thrown.total()} hostile messages ({ways}; {kinds.total()} payloads of {len(kinds)} kinds) at {runs} runs: "
        f"0 wedged, 0 lost; {runs} of {runs} finished by a proper decision"
    )
