"""Processes for foreign text: work that runs away is killed, costs one process once, and nobody else waits for it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from activities.adapters.foreign_work.blame import Clocked, to_blame
from activities.adapters.foreign_work.limits import MEBIBYTE, Busy, Exceeded, Failed, Limits, Stopped
from activities.adapters.foreign_work.pool import Pool
from activities.adapters.foreign_work.processes import ForkServer, fork_server, plain_environment
from activities.settings import ROOT
from tests.support.waiting import until

WORK = "tests.support.foreign_work:"
PRELOAD = ("tests.support.foreign_work",)
SOON = timedelta(seconds=1)
LIMITS = Limits(time=timedelta(seconds=60), processor=SOON, memory=100 * MEBIBYTE, output=MEBIBYTE)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A fork server of this file's own, since tests kill it."""
    own = ForkServer(PRELOAD)
    yield own
    own.close()


def pool_of(server: ForkServer, **options: Any) -> Pool:
    usual: dict[str, Any] = {"processes": 2, "waiting": 50, "remembered": timedelta(hours=1)}
    return Pool(server, **{**usual, **options})


@pytest.fixture
def pool(server: ForkServer) -> Iterator[Pool]:
    pool = pool_of(server)
    yield pool
    pool.close()


async def call(pool: Pool, name: str, data: bytes = b"", limits: Limits = LIMITS, **further: Any) -> bytes:
    return await pool.run(WORK + name, further.pop("arguments", {}), data, limits, **further)


async def test_bytes_come_back_as_they_are_and_an_error_as_its_name_place_and_words(pool: Pool) -> None:
    data = bytes(range(256)) * 4000
    assert await call(pool, "echo", data) == data
    with pytest.raises(Failed) as failure:
        await call(pool, "fail", b"Xanadu")
    assert (failure.value.error, failure.value.message) == ("ValueError", "Xanadu")
    assert failure.value.where.startswith("foreign_work.py:")
    assert "Xanadu" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "limits", "exceeded"),
    [
        ("redos", LIMITS, Exceeded.PROCESSOR),
        ("eat", LIMITS, Exceeded.MEMORY),
        ("long", LIMITS, Exceeded.OUTPUT),
        ("crash", LIMITS, Exceeded.CRASH),
    ],
)
async def test_work_beyond_a_limit_is_stopped_says_which_and_is_never_run_again(
    pool: Pool, name: str, limits: Limits, exceeded: Exceeded
) -> None:
    with pytest.raises(Stopped) as stopped:
        await call(pool, name, b"bomb", limits)
    assert (stopped.value.exceeded, stopped.value.before) == (exceeded, False)
    kills, began = pool.kills, time.perf_counter()
    with pytest.raises(Stopped) as again:
        await call(pool, name, b"bomb", limits)
    assert (again.value.exceeded, again.value.before, pool.kills) == (exceeded, True, kills)
    assert time.perf_counter() - began < 0.1
    assert await call(pool, "echo", b"next") == b"next"


async def test_work_that_waits_by_itself_is_stopped_by_the_wall_clock_once(pool: Pool) -> None:
    limits = Limits(timedelta(milliseconds=400), SOON, 100 * MEBIBYTE, MEBIBYTE)
    stopped: list[Stopped] = []
    for _ in range(2):
        with pytest.raises(Stopped) as stop:
            await call(pool, "sleep", limits=limits)
        stopped.append(stop.value)
    assert [each.exceeded for each in stopped] == [Exceeded.TIME, Exceeded.TIME]
    # On a machine that is too busy to run it at all, it may be tried again.
    assert stopped[1].before == stopped[0].sure
    assert pool.kills == (1 if stopped[0].sure else 2)


@pytest.mark.parametrize(
    ("work", "blamed"),
    [
        (Clocked(limit=8, watched=8, used=0.3, queued=7.5), True),
        (Clocked(limit=8, watched=8, used=0.0, queued=0.1), True),
        (Clocked(limit=8, watched=8, used=0.2, queued=7.0), False),
        (Clocked(limit=8, watched=0.5, used=0.0, queued=0.0), False),
    ],
    ids=["it ran for long", "it waits by itself", "others had the processor", "the worker stood still"],
)
def test_what_the_clock_stopped_is_to_blame_unless_the_machine_was_busy(work: Clocked, *, blamed: bool) -> None:
    assert to_blame(work) is blamed


async def test_what_work_noted_before_it_was_stopped_is_known_and_never_that_of_other_work(server: ForkServer) -> None:
    pool = pool_of(server, processes=1)
    for name, noted in (("note_and_eat", b"one\ntwo\n"), ("note_and_crash", b"one\ntwo\n"), ("eat", b"")):
        await call(pool, "note", name.encode())
        with pytest.raises(Stopped) as stopped:
            await call(pool, name, b"bomb")
        assert stopped.value.progress == noted
    pool.close()


async def test_the_loop_turns_while_work_holds_its_interpreter_and_others_are_served(pool: Pool) -> None:
    running = asyncio.create_task(call(pool, "redos"))
    gaps: list[float] = []
    while not running.done():
        began = time.perf_counter()
        assert await call(pool, "echo", b"other") == b"other"
        gaps.append(time.perf_counter() - began)
    with pytest.raises(Stopped):
        await running
    assert len(gaps) > 20
    assert sorted(gaps)[len(gaps) // 2] < 0.1


async def test_a_cancelled_call_kills_its_process_and_frees_its_place(server: ForkServer) -> None:
    pool = pool_of(server, processes=1)
    running = asyncio.create_task(call(pool, "redos"))
    await until(lambda: pool.busy == 1, what="the work begins")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await asyncio.wait_for(call(pool, "echo", b"x"), 20) == b"x"
    pool.close()


async def test_what_waits_longer_than_its_deadline_or_behind_too_many_is_refused(server: ForkServer) -> None:
    pool = pool_of(server, processes=1, waiting=1)
    running = asyncio.create_task(call(pool, "sleep"))
    await until(lambda: pool.busy == 1, what="the work begins")
    with pytest.raises(Busy):
        await call(pool, "echo", deadline=timedelta(milliseconds=50))
    waiting = asyncio.create_task(call(pool, "echo", b"waits"))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await call(pool, "echo")
    running.cancel()
    assert await waiting == b"waits"
    pool.close()


async def test_a_caller_with_a_hundred_pieces_of_work_does_not_stand_before_one_with_a_single_piece(
    server: ForkServer,
) -> None:
    pool, order = pool_of(server, processes=1, one_each=True, waiting=200), list[str]()

    async def work(caller: str) -> None:
        await call(pool, "sleep", caller.encode(), arguments={"seconds": 0.01}, caller=caller)
        order.append(caller)

    await asyncio.gather(*(work("many") for _ in range(20)), work("one"))
    assert "one" in order[:3]
    pool.close()


async def test_a_caller_has_one_piece_of_work_at_a_time(server: ForkServer) -> None:
    pool = pool_of(server, one_each=True)
    began = time.perf_counter()
    await asyncio.gather(*(call(pool, "sleep", arguments={"seconds": 0.2}, caller="acme") for _ in range(3)))
    assert time.perf_counter() - began > 0.6
    pool.close()


async def test_the_dead_fork_server_and_dead_processes_are_replaced(server: ForkServer) -> None:
    pool = pool_of(server)
    assert await call(pool, "echo", b"1") == b"1"
    assert server.pid is not None
    family = psutil.Process(server.pid).children()
    os.kill(server.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=20)
    assert await call(pool, "echo", b"2") == b"2"
    pool.close()


OWNER = """
import asyncio, os, sys, threading, time
from datetime import timedelta
from activities.adapters.foreign_work.blame import Clocked, to_blame
from activities.adapters.foreign_work.limits import Limits
from activities.adapters.foreign_work.pool import Pool
from activities.adapters.foreign_work.processes import fork_server
hour = timedelta(hours=1)
async def main():
    pool = Pool(fork_server(("tests.support.foreign_work",)), processes=1, waiting=9, remembered=hour)
    await pool.run("tests.support.foreign_work:echo", {}, b"", Limits(hour, hour, 1 << 30, 9))
    print("ready", flush=True)
    await pool.run("tests.support.foreign_work:redos", {}, b"", Limits(hour, hour, 1 << 30, 9))
asyncio.run(main())
"""


def test_the_processes_die_with_their_worker_even_where_a_regular_expression_runs_away() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        family = psutil.Process(owner.pid).children(recursive=True)
        assert len(family) >= 2
        owner.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_processes_for_foreign_text_see_no_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_MODEL__API_KEYS", '{"openai": "sk-1"}')
    assert not [name for name in plain_environment() if name.startswith(("PERDURE", "TEMPORAL"))]


def test_one_fork_server_serves_all_pools_of_a_kind() -> None:
    assert fork_server(("json",)) is fork_server(("json",))
    assert fork_server(("json",)) is not fork_server(("csv",))
