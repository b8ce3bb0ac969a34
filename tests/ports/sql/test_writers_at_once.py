"""Several processes write to one database at once: all is stored, the first reply wins, and charges add up."""

import asyncio
import hashlib
import subprocess
import sys

from activities.adapters.databases.database import Database
from activities.adapters.sql.blobs import SqlBlobs
from activities.settings import ROOT, Settings, environment_with
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated
from tests.support.processes.storing import KEY, attempt, body, key_of, reply
from tests.support.stores.orders import RegisteredReplies, order

PROCESSES = 3
EACH = 25


def environment_of(place: Settings) -> dict[str, str]:
    """The settings as a process reads them."""
    named = {"PERDURE_PATHS__STATE": str(place.paths.state)}
    if place.database.postgres is not None:
        named["PERDURE_DATABASE__POSTGRES"] = place.database.postgres.get_secret_value()
    return environment_with(**named)


async def test_processes_may_create_and_fill_a_database_at_the_same_time(place: Settings, database: Database) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.processes.storing", str(name), str(EACH)),
            cwd=ROOT,
            env=environment_of(place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    # The processes find no table, and create the tables at the same time.
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * PROCESSES, outputs

    written = [(name, number) for name in range(PROCESSES) for number in range(EACH)]
    blobs, replies = SqlBlobs(database), RegisteredReplies(database)
    bodies = [body(*one) for one in written]
    assert await blobs.get_all("acme", [hashlib.sha256(each).hexdigest() for each in bodies]) == bodies

    for name, number in written:
        mine = await replies.begin(order(key_of(name, number), 1), Generated)
        assert mine is not None
        assert mine.answer == reply(f"by {name} {number}").answer
    # Processes that began before the first reply was saved bought a reply for the shared step: each of them counts.
    bought = await replies.attempts(KEY)
    charges = [charge for charge in bought.values() if charge is not None]
    assert len(charges) == len(bought) > 0
    digests = {
        line.split()[2] for output, _ in outputs for line in output.decode().splitlines() if line.startswith("saved")
    }
    shared = await replies.begin(order(KEY, attempt(PROCESSES, 0)), Generated)
    assert shared is not None
    assert shared.answer is not None
    assert digests == {shared.answer.digest}
    assert sum(shared.charges.values(), Spend()) == sum(charges, Spend())
    assert set(shared.charges) <= {attempt(*one) for one in [*written, (PROCESSES, 0)]}
