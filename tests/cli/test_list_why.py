"""Failed runs are listed by their cause: one remedy and one retry command for all that failed alike."""

import asyncio
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
from perdure.run_failures import AT_ONCE
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import answer
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

MANY = 3 * AT_ONCE


@pytest.fixture
def tenant() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.mark.usefixtures("working")
async def test_runs_that_failed_for_one_cause_are_one_group_and_retried_by_one_command(
    cli: Cli, platform: Platform, stub: StubModel, tenant: str
) -> None:
    stub.script = [*["500"] * 3, *["500"] * 3, "400", *["500"] * 3, answer()]
    for run in ("broke-1", "broke-2", "refused-1", "retried"):
        await platform.start_agent("Do it.", agent="tester", business_id=run, tenant=tenant)
        with suppress(RunFailed):
            await platform.result(run, tenant=tenant)
    await platform.retry("retried", tenant=tenant)
    await platform.result("retried", tenant=tenant)
    listed = "list", "--failed", "--since", "1h", "--tenant", tenant

    async def both_causes_are_listed() -> bool:
        return len(await platform.failures(hour_ago(), tenant=tenant)) == 2

    await until(both_causes_are_listed, what="visibility has caught up")
    rows = [line.split("\t")[0] for line in (await cli(*listed)).out.splitlines()]
    assert sorted(rows) == ["broke-1", "broke-2", "refused-1"]
    broke, refused = (await cli(*listed, "--why", "--json")).json
    assert (broke["count"], broke["cause"]["effect"], broke["cause"]["kind"]) == (2, "think", "ModelFailed")
    assert (broke["example"], broke["runs"]) == ("broke-2", [f"{tenant}:broke-1", f"{tenant}:broke-2"])
    assert broke["first"] < broke["last"]
    assert "status 500" in broke["reason"]
    assert (refused["count"], refused["cause"]["kind"]) == (1, "ModelRefused")
    lines = (await cli(*listed, "--why")).out.splitlines()
    assert lines[0].startswith("2 runs  think: ModelFailed  first ")
    assert lines[3].strip().endswith(f"perdure show broke-2 --tenant {tenant}")
    assert lines[4].strip().endswith(broke["retry"])

    stub.script = []
    result = await cli(*broke["retry"].split()[1:])
    assert result.code == 0, result.err
    assert sorted(line.split("  ")[0].split(" ")[1] for line in result.out.splitlines()) == ["broke-1", "broke-2"]
    for run in ("broke-1", "broke-2"):
        assert (await platform.result(run, tenant=tenant)).outcome.kind == "answered"
    [left] = await platform.failures(hour_ago(), tenant=tenant)
    assert left.example == "refused-1"


async def test_many_runs_are_read_a_few_at_a_time_and_each_is_counted(
    platform: Platform, client: Client, tenant: str
) -> None:
    async def start(number: int) -> None:
        await client.start_workflow(
            "agent",
            AgentRequest(task=Text.of("Do it."), agent="tester", tenant=tenant),
            id=f"{tenant}:unseen-{number}",
            task_queue="nobody-serves-it",
            execution_timeout=timedelta(milliseconds=100),
            search_attributes=TypedSearchAttributes([SearchAttributePair(TENANT, tenant)]),
        )

    await asyncio.gather(*(start(number) for number in range(MANY)))

    async def all_are_listed() -> bool:
        groups = await platform.failures(hour_ago(), tenant=tenant)
        return sum(group.count for group in groups) == MANY

    await until(all_are_listed, what="visibility has caught up", every=0.5)
    seen: list[tuple[int, int]] = []
    [group] = await platform.failures(
        hour_ago(), tenant=tenant, progress=lambda read, count: seen.append((read, count))
    )
    assert seen == [(read, MANY) for read in range(1, MANY + 1)]
    assert (group.count, group.cause.effect, group.cause.kind) == (MANY, "run", "Timeout")
    assert len(set(group.runs)) == MANY


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--why",), "--why: goes with --failed and --since"),
        (("--failed", "--why"), "--why: goes with --failed and --since"),
        (("--failed", "--why", "--since", "1h", "--agent", "tester"), "--agent: --why groups all that failed"),
        (("--failed", "--since", "soon"), "--since: 'soon' is no time"),
    ],
)
async def test_a_mistake_is_one_line_that_shows_what_to_type(cli: Cli, typed: tuple[str, ...], said: str) -> None:
    result = await cli("list", *typed)
    assert result.code == 2
    assert result.err.startswith(f"perdure: {said}")
    assert len(result.err.splitlines()) == 1


def hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)
