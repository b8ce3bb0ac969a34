"""Agents' runs, calls and tools for tests of their state machines."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from perdure.contracts.agents.agent import AgentRun, AgentSpec, CallStage, RequestedCall
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Allowance, Budget
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.tools import Approval, ToolEffect, ToolSpec

NOW = datetime(2026, 3, 2, tzinfo=UTC)

NEAR = Deployment(
    name="near", tier="fast", task_queue="near", context_window=8192, prices=Prices(input=20_000, output=60_000)
)


def tool(name: str = "search", effect: ToolEffect = ToolEffect.READ_ONLY, **more: Any) -> ToolSpec:
    digest = hashlib.sha256(name.encode()).hexdigest()
    fields: dict[str, Any] = {"description": "Do it.", "parameters": {}, "timeout": timedelta(seconds=5), **more}
    return ToolSpec(name=name, digest=digest, effect=effect, **fields)


READ = tool()
KEYED = tool("file", ToolEffect.IDEMPOTENT)
ONCE = tool("send", ToolEffect.AT_MOST_ONCE)
GUARDED = tool("pay", ToolEffect.AT_MOST_ONCE, approval=Approval.ALWAYS, price=700)

SPEC = AgentSpec(
    name="tester",
    digest="0" * 64,
    tier="fast",
    instructions=Text.of("[]").reference(),
    tools=(READ, KEYED, ONCE, GUARDED),
    max_output_tokens=100,
    tool_attempts=3,
)


def call(of: str = "search", number: int = 1, **more: Any) -> RequestedCall:
    """Return a call of the first turn."""
    fields: dict[str, Any] = {"arguments": Text.of(f'{{"n": {number}}}'), **more}
    return RequestedCall(id=f"call-1-{number}", tool=of, **fields)


def run_of(*calls: RequestedCall, **more: Any) -> AgentRun:
    fields: dict[str, Any] = {
        "spec": SPEC,
        "pinned": Text.of(SPEC.model_dump_json()).reference(),
        "deployment": NEAR,
        "allowance": Allowance(budget=Budget(steps=24, tool_calls=24)),
        "transcript": Transcript(),
        "calls": calls,
        **more,
    }
    return AgentRun(**fields)


def outcome(text: str = "found", happened: Happened = Happened.YES) -> ToolOutcome:
    return ToolOutcome(tool="search", ended=ToolEnded.RETURNED, happened=happened, result=Text.of(text))


names = st.sampled_from([*(one.name for one in SPEC.tools), "no_such_tool"])
stages = st.sampled_from(CallStage)
