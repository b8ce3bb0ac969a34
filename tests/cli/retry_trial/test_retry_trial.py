"""Many runs fail and are retried while their worker is killed: no write is done twice, and none is lost."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from deploy.local.stack.desk import DeskServer
from deploy.processes.ports import HOST, free_ports
from deploy.testing.stack import CATALOGUE, CONTEXT
from deploy.testing.standby_workers import ForkServer, StandbyWorkers
from deploy.testing.stub.model import MODEL, ScriptedModel
from perdure.client import Platform
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.testing.bill import Bill
from perdure.testing.stub import PRICES
from tests.chaos.equipment.processes import Server
from tests.cli.retry_trial.audit import audit_money, audit_replies
from tests.cli.retry_trial.course import Course, Killer, Person, desk_writes
from tests.cli.retry_trial.runs import AGENT, PAUSE, Plan, planned
from tests.support.faults.lasting_breaks import VARIABLE, LastingBreaks
from tests.support.sections import section

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

RUNS, SAMPLE = 200, 10

WAVES, SAMPLED_WAVES = 5, 2
"""The waves of runs: while one is retried, the next one fails."""

ROUNDS = 20
"""The most rounds of retries: a retried run may fail again, by a kill or by a circuit breaker that others opened."""

TOOLS = Path(__file__).resolve().parent / "tools"


@dataclass(frozen=True)
class Trial:
    """The settings of a trial, and the function that reports its result."""

    seed: int
    rng: random.Random
    sampled: bool
    """Whether one kill is enough: in the second wave, while the first is retried."""
    report: Callable[[str], None]

    def waves(self) -> list[list[Plan]]:
        """Return the plans in waves; the runs of a wave fail together."""
        count, waves = (SAMPLE, SAMPLED_WAVES) if self.sampled else (RUNS, WAVES)
        plans = [planned(number, self.rng) for number in range(count)]
        size = count // waves
        return [plans[start : start + size] for start in range(0, count, size)]

    def most_kills(self, number: int) -> int | None:
        """Return the most kills during this wave; None for no limit."""
        return int(number == 1) if self.sampled else None


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    seed = cast("int", request.config.getoption("chaos_seed"))

    def report(line: str) -> None:
        section(request.config, "retried runs", line)

    sampled = request.config.getoption("chaos") == "sample"
    return Trial(seed, random.Random(seed), sampled, report)  # noqa: S311 - a sample, not a secret


@dataclass(frozen=True)
class World:
    """The worker and everything around it, each in a process of its own."""

    state: Path
    address: str
    standby: StandbyWorkers
    desk: DeskServer
    bill: Bill
    breaks: LastingBreaks


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    agents, catalogue = tmp_path / "agents", tmp_path / "catalogue.toml"
    agents.mkdir()
    (agents / "retried.toml").write_text(AGENT)
    with ExitStack() as stack:
        # The desk pauses between a write and its reply, which leaves time for a kill.
        desk = stack.enter_context(DeskServer(0, tmp_path / "desk.db", pause=PAUSE))
        model = stack.enter_context(ScriptedModel(0, tmp_path / "bill.db", PRICES))
        prices = {"input": PRICES.input, "output": PRICES.output}
        catalogue.write_text(CATALOGUE.format(model=MODEL, url=model.url, context=CONTEXT, **prices))
        breaks, ports = LastingBreaks(tmp_path / "breaks.db"), free_ports(2)
        environment = {
            "TEMPORAL_ADDRESS": f"{HOST}:{ports[0]}",
            "PERDURE_PATHS__STATE": str(tmp_path),
            "PERDURE_PATHS__AGENTS": str(agents),
            "PERDURE_PATHS__TOOLS": str(TOOLS),
            "PERDURE_PATHS__CATALOGUE": str(catalogue),
            "PERDURE_TOOLS__SERVICES": json.dumps({"desk": desk.url}),
            "PERDURE_TELEMETRY__TRACES": "false",
            VARIABLE: str(breaks.file),
        }
        # The fork server imports the workers' modules while the Temporal server starts.
        fork_server = ForkServer(tmp_path, environment, "tests.cli.retry_trial.breaks")
        stack.callback(fork_server.close)
        server = Server(tmp_path, *ports)
        stack.callback(server.stop)
        standby = StandbyWorkers(fork_server)
        standby.promote().serving()
        yield World(tmp_path, server.address, standby, desk, Bill(tmp_path / "bill.db"), breaks)


@pytest_asyncio.fixture(loop_scope="session")
async def platform(world: World) -> AsyncIterator[Platform]:
    async with await Platform.connect(world.address) as platform:
        yield platform


async def test_no_retried_run_writes_twice_or_loses_a_write_or_buys_a_reply_twice(
    platform: Platform, world: World, trial: Trial
) -> None:
    waves, course = trial.waves(), Course(platform, world.breaks)
    person = Person(platform, world.desk, course.tenant)
    killer = Killer(world.standby, world.bill, trial.rng, (1, 4) if trial.sampled else (15, 45))
    looking = asyncio.create_task(person.look())
    runs_with_writes = set[str]()
    for number in range(ROUNDS):
        await course.wait_until_listed()
        writes = desk_writes(world.desk)
        runs_with_writes |= {plan.run for plan in course.failed if any(writes[write] for write in plan.writes)}
        wave = asyncio.ensure_future(course.wave(waves[number] if number < len(waves) else []))
        await killer.beside(wave, course.in_flight, trial.most_kills(number))
        await asyncio.wait({wave, looking}, return_when=asyncio.FIRST_COMPLETED)
        assert not looking.done(), looking
        await wave
        if not course.failed:
            break
    looking.cancel()
    assert not course.failed, f"failed again and again: {[plan.run for plan in course.failed]}"
    plans, stored_writes = [plan for wave in waves for plan in wave], desk_writes(world.desk)
    runs, planned_writes = [plan.run for plan in plans], [write for plan in plans for write in plan.writes]
    twice = {write: count for write, count in stored_writes.items() if count > 1}
    lost = [write for write in planned_writes if not stored_writes[write]]
    purchases = audit_replies(world.bill, world.state, course.tenant, runs, killer.kills)
    amounts = audit_money(world.bill, world.state, course.tenant, runs)
    resumed_steps = Counter(retry.again[0].split()[0] if retry.again else "its last task" for retry in course.retries)
    resumed = ", ".join(f"{count} {name}" for name, count in sorted(resumed_steps.items()))
    runs_in_doubt = sum(1 for plan in plans if plan.breaks)
    trial.report(
        f"retry: seed {trial.seed}: {len(plans)} failed runs "
        f"({len(runs_with_writes)} with writes done, {runs_in_doubt} with one in doubt), "
        f"{len(course.retries)} retries (from {resumed}), "
        f"{len(killer.kills)} x kill -9 (under {killer.hit['failing']} failing runs and {killer.hit['retried']} "
        f"retried ones), {len(planned_writes)} writes: {len(twice)} twice, {len(lost)} lost; "
        f"{len(purchases.bought_again)} replies bought twice, {purchases.lost} died with a worker; "
        f"settled {amounts.settled:,} <= bill {amounts.billed:,} <= "
        f"settled + unknown {amounts.settled + amounts.held:,} micro-dollars; "
        f"{person.decided.total()} unknown outcomes decided, {person.decided[Ruling.DID_HAPPEN]} of which had happened"
    )
    assert not twice
    assert not lost
    assert not set(stored_writes) - set(planned_writes), "nothing is written that no run asked for"
    assert not purchases.bought_again
    assert killer.hit["failing"], "the worker is killed under runs that are failing"
    assert killer.hit["retried"], "the worker is killed under runs that are retried"
