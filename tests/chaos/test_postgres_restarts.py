"""PostgreSQL crashes and restarts while processes write: nothing acknowledged is lost, and nothing is stored twice."""

import asyncio
import hashlib
import signal
import subprocess
import sys

import pytest
from pydantic import SecretStr

from activities.adapters.databases.open import open_database
from activities.adapters.sql.blobs import SqlBlobs
from activities.settings import ROOT, Database, Settings, environment_with
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated
from tests.services.postgres_server import PostgresServer
from tests.support.processes.storing import KEY, attempt, body, key_of, reply
from tests.support.stores.orders import RegisteredReplies, order
from tests.support.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]

PROCESSES = 2
EACH = 120
CRASHES = 2


async def test_writers_live_through_crashes_of_the_server(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    environment = environment_with(PERDURE_DATABASE__POSTGRES=url, PERDURE_DATABASE__PATIENCE_SECONDS="90")
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.processes.storing", str(name), str(EACH)),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in range(PROCESSES)
    ]
    acknowledged: list[list[str]] = [[] for _ in processes]

    async def listen(number: int) -> None:
        stdin, stdout = processes[number].stdin, processes[number].stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"go\n")
        async for line in stdout:
            acknowledged[number].append(line.decode())

    def saved() -> int:
        return sum(line.startswith("saved") for lines in acknowledged for line in lines)

    listening = [asyncio.create_task(listen(number)) for number in range(PROCESSES)]
    for crash in range(CRASHES):
        goal = (crash + 1) * PROCESSES * EACH // (CRASHES + 2)
        await until(lambda goal=goal: saved() >= goal, what=f"{goal} replies are saved", every=0.005)
        assert saved() < PROCESSES * EACH, "they were done before the server crashed"
        await asyncio.to_thread(postgres.stop, signal.SIGQUIT)
        await asyncio.to_thread(postgres.start)
    await asyncio.gather(*listening)
    errors = [await process.stderr.read() for process in processes if process.stderr is not None]
    assert [await process.wait() for process in processes] == [0] * PROCESSES, errors
    assert saved() == PROCESSES * EACH

    written = [(name, number) for name in range(PROCESSES) for number in range(EACH)]
    async with open_database(Settings(database=Database(postgres=SecretStr(url)))) as database:
        blobs, replies = SqlBlobs(database), RegisteredReplies(database)
        bodies = [body(*write) for write in written]
        assert await blobs.get_all("acme", [hashlib.sha256(text).hexdigest() for text in bodies]) == bodies
        for name, number in written:
            assert await replies.attempts(key_of(name, number)) == {1: Spend(steps=1, micro_dollars=1)}
            stored = await replies.begin(order(key_of(name, number), 1), Generated)
            assert stored is not None
            assert stored.answer == reply(f"by {name} {number}").answer
        # Each reply bought for the shared step counts once, also if its commit was not acknowledged.
        possible = [Spend(steps=1, micro_dollars=attempt(*write)) for write in written]
        charges = list((await replies.attempts(KEY)).values())
        assert charges
        assert all(charges.count(charge) == 1 and charge in possible for charge in charges)
