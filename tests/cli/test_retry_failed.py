"""All runs that failed within a time, and no others, are retried at once; each has a line with its result."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from perdure.client import Platform
from perdure.contracts.runs.run import AgentRequest
from perdure.contracts.temporal.search_attributes import TENANT
from perdure.contracts.text import Text
from perdure.errors import RunFailed
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import MESSAGE, answer, calls
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

BROKEN = ["500"] * 3
"""One failure for each attempt of a paid step."""


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


async def test_all_that_failed_within_a_time_are_retried_and_nothing_else_is(
    cli: Cli, platform: Platform, client: Client, stub: StubModel, tenant: str
) -> None:
    stub.script = [answer(), *BROKEN, *BROKEN, *BROKEN, answer()]
    for run in ("fine", "first", "second", "retried"):
        await platform.start_agent("Do it.", agent="tester", business_id=run, tenant=tenant)
        with suppress(RunFailed):
            await platform.result(run, tenant=tenant)
    await platform.retry("retried", tenant=tenant)
    await platform.result("retried", tenant=tenant)
    stub.script = [calls(MESSAGE)]
    await platform.start_agent("Tell them.", agent="tester", business_id="waiting", tenant=tenant)

    async def listed(*options: str) -> list[str]:
        result = await cli("retry", "--failed", "--dry-run", "--tenant", tenant, *options)
        assert result.code == 0, result.err
        return result.out.splitlines()

    async def both_are_there() -> bool:
        retries = [retry async for retry in platform.retry_failed(since(hours=1), tenant=tenant, dry_run=True)]
        return [retry.business_id for retry in retries] == ["first", "second"]

    await until(both_are_there, what="visibility has caught up")
    rows = [line.split("\t") for line in await listed("--since", "1h")]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (run, "tester", "think think-1") for run in ("first", "second")
    ]
    assert all(row[4].startswith("think: gave up after 3 attempts") for row in rows)
    assert await listed("--since", "0s") == []
    assert (await cli("retry", "--failed", "--since", "1h", "--tenant", f"{tenant}x")).code == 0
    assert {(await platform.status(run, tenant=tenant)).state for run in ("first", "second")} == {"failed"}
    # No worker ever took this run: the others are retried nevertheless.
    await client.start_workflow(
        "agent",
        AgentRequest(task=Text.of("Do it."), agent="tester", tenant=tenant),
        id=f"{tenant}:unseen",
        task_queue="nobody-serves-it",
        execution_timeout=timedelta(milliseconds=100),
        search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, tenant)]),
    )

    async def three_are_there() -> bool:
        return len(await listed("--since", "1h")) == 3

    await until(three_are_there, what="visibility has caught up")
    stub.script = []
    result = await cli("retry", "--failed", "--since", "1h", "--tenant", tenant)
    assert result.code == 1
    lines = result.out.splitlines()
    assert sorted(line.split("  ")[0].split(" ")[1] for line in lines) == ["first", "second", "unseen"]
    assert [line.split(" ")[0] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    assert sum("goes on from think think-1" in line for line in lines) == 2
    assert sum("not retried: run 'unseen' failed before a worker saw it" in line for line in lines) == 1
    assert result.err.splitlines()[-1] == "perdure: 1 of 3 runs were not retried"
    for run in ("first", "second"):
        assert (await platform.result(run, tenant=tenant)).outcome.kind == "answered"
    second_retry = await cli("retry", "--failed", "--since", "1h", "--tenant", tenant, "--json")
    assert second_retry.code == 1
    assert [line["retry"]["business_id"] for line in second_retry.lines] == ["unseen"]


def since(**ago: int) -> datetime:
    return datetime.now(UTC) - timedelta(**ago)
