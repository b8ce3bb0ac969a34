"""The result of a call is stored with its place in the conversation, and a repeated call stores the same result."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest
from temporalio.testing import ActivityEnvironment

from activities.adapters.sql.runs import SqlRuns
from activities.bodies import texts
from activities.composition import Adapters
from activities.settings import Settings
from perdure.contracts.agents.steps import Act, Acted, CallAnswered
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from tests.support.runs.agent_runs import READS, with_agents, write_agent
from tests.support.stores.orders import run_of
from tests.support.tool_calls.effects import StubProof, StubRights

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run-one", step="call-1-1")
AFTER = "a" * 64


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "unguarded", READS, "results = []\n")
    return with_agents(settings, tmp_path)


async def acted(settings: Settings, expression: str, after: str | None) -> Acted:
    """Make a call on a worker of its own."""
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        parts.rights, parts.proof = StubRights(), StubProof()
        await SqlRuns(parts.database).register(run_of(KEY, kind="agent"))
        arguments = Text.of(f'{{"expression": "{expression}"}}')
        await texts.store(parts.blobs, KEY.tenant, arguments)
        ask = Act(
            key=KEY,
            attempt=1,
            pinned=await parts.pins.store(KEY.tenant, parts.specs.agent("unguarded")),
            tool="calculator",
            arguments=arguments.reference(),
            parent=after,
        )
        act = cast("Callable[[Act], Awaitable[Acted]]", parts.tools()[1])
        return await ActivityEnvironment().run(act, ask)


async def body(settings: Settings, digest: str) -> bytes:
    """Read a body on a new worker, whose cache is empty."""
    async with AsyncExitStack() as stack:
        return await (await Adapters.open(settings, stack)).blobs.get(KEY.tenant, digest)


@pytest.mark.parametrize("expression", ["6 * 7", "1 / 0"])
async def test_an_answer_is_stored_with_its_place_and_a_repeated_call_says_the_same(
    settings: Settings, expression: str
) -> None:
    first, again = [await acted(settings, expression, AFTER) for _ in range(2)]
    assert first == again
    assert first.kept
    assert isinstance(first.came, CallAnswered)
    turn = Turn(role=Role.TOOL, body=first.came.outcome.result, call=KEY.step)
    assert await body(settings, turn.link(AFTER)) == turn.node(AFTER)


async def test_an_answer_whose_place_is_not_known_is_stored_alone(settings: Settings) -> None:
    assert not (await acted(settings, "6 * 7", None)).kept
