"""Each part of a stack that is up is killed ten times at random under load: it comes back, and no run is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median

import httpx
import pytest

from deploy.processes.restarts import LIMIT, WINDOW
from perdure.client import Platform
from perdure.contracts.runs.run import Answered, RunResult
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision, Waiting
from tests.support.processes.command_up import PARTS, GatedStub, Up, command_up, patiently, result_of
from tests.support.runs.agent_runs import write_agent
from tests.trials.conftest import Report

KILLS = 10
"""The kills of each part."""

TICKETS = 2
"""The tickets that each agent opens."""

AGENTS = 3
"""The agents' runs at the same time, beside one question to the real model."""

QUESTION = "How many weeks of parental leave are paid in full?"
MODEL = ("qwen2.5-coder-0.5b", 8192)


class Load:
    """Runs that follow each other until it is told to stop."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.results: dict[str, RunResult] = {}
        self.over = False
        self.asked = 0
        """How often a person was asked about a call."""

    async def agents(self, lane: int) -> None:
        number = 0
        while not self.over:
            number += 1
            run = f"lane{lane}n{number}"
            await self._run(
                run,
                lambda run=run: self.platform.start_agent(
                    f"Open the tickets of run {run}.", agent="tester", business_id=run
                ),
            )

    async def questions(self) -> None:
        number = 0
        while not self.over:
            number += 1
            run = f"question{number}"
            await self._run(run, lambda run=run: self.platform.start(QUESTION, business_id=run, tier="strong"))

    async def decisions(self) -> None:
        """Be the person who answers for a call that was cut off five times in a row: an operator would look it up."""
        while True:
            await asyncio.sleep(1)
            for entry in await patiently(self.platform.inbox):
                if entry.step.waiting is Waiting.OUTCOME:
                    self.asked += 1
                    decision = StepDecision(
                        decision_id=f"answer-{self.asked}",
                        step=entry.step.step,
                        digest=entry.step.digest,
                        ruling=Ruling.RETRY,
                        by="operator",
                    )
                    await patiently(lambda run=entry.business_id, made=decision: self.platform.decide(run, made))

    async def _run(self, run: str, start: Callable[[], Awaitable[str]]) -> None:
        await patiently(start)  # under its id it is started once, however often it is asked for
        self.results[run] = await result_of(self.platform, run)


async def kill_all(up: Up, draw: Random) -> tuple[list[float], dict[str, list[float]]]:
    """Kill parts at random, none of them more often than a stack allows; return when each was said, and was back."""
    ahead, told = Counter(dict.fromkeys(PARTS, KILLS)), list[float]()
    back: dict[str, list[float]] = {part: [] for part in PARTS}
    kills: dict[str, list[float]] = {part: [] for part in PARTS}
    while ahead.total():
        now = time.monotonic()
        free = [
            part
            for part in PARTS
            if ahead[part] and sum(kill > now - WINDOW - 20 for kill in kills[part]) < LIMIT  # restarts lag behind
        ]
        await asyncio.sleep(draw.uniform(0.2, 4))
        if not free:
            continue
        part = draw.choice(free)
        moment = up.kill(part)
        kills[part].append(moment)
        told.append(await up.printed(f"{part} ended by itself", moment))
        back[part].append(await up.printed(f"{part} is ready again", moment))
        ahead[part] -= 1
    return told, back


@pytest.mark.timeout(3600)
async def test_no_run_is_lost_while_every_part_is_killed_ten_times(
    tmp_path: Path, state: Path, report: Report, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("chaos") != "all":
        pytest.skip("forty kills last a quarter of an hour: --chaos=all; each part is killed once in tests/deploy")
    own_state, project = tmp_path / "state", tmp_path / "project"
    own_state.mkdir()
    (own_state / "index").symlink_to(state / "index")
    (project / "agents").mkdir(parents=True)
    write_agent(project / "agents", tools=("create_ticket",))
    draw = Random(report.seed)  # noqa: S311 - a trial, not a secret
    with (
        GatedStub(turns=TICKETS, opened=TICKETS + 1) as stub,
        command_up(own_state, project, weights=MODEL, stub=stub.url) as up,
    ):
        await up.printed("Ctrl-C stops it", 0)
        async with await Platform.connect(up.addresses.temporal) as platform:
            load = Load(platform)
            running = [*map(asyncio.ensure_future, map(load.agents, range(AGENTS)))]
            running.append(asyncio.ensure_future(load.questions()))
            deciding = asyncio.ensure_future(load.decisions())
            told, back = await kill_all(up, draw)
            each = ", ".join(f"{part} {median(times):.1f} ({max(times):.1f})" for part, times in back.items())
            report.lines.append(
                f"{len(told)} kills of {len(PARTS)} parts under load: said within {max(told):.1f} s at most; "
                f"back after seconds, median (longest): {each}"
            )
            load.over = True
            await asyncio.wait_for(asyncio.gather(*running), 600)
            deciding.cancel()
        async with httpx.AsyncClient(trust_env=False) as client:
            tickets = (await client.get(f"{up.addresses.desk}/kept")).json()["tickets"]
    others = {run: result.outcome for run, result in load.results.items() if not isinstance(result.outcome, Answered)}
    assert not others
    opened = Counter(str(ticket["title"]) for ticket in tickets)
    wanted = [f"ticket {turn} of {run}" for run in load.results if run.startswith("lane") for turn in range(TICKETS)]
    assert opened == Counter(wanted), "every ticket was opened, and none twice"
    report.lines.append(
        f"{len(load.results)} runs under these kills: 0 lost, {len(wanted)} tickets opened once each; "
        f"{load.asked} times a person was asked about a call"
    )
