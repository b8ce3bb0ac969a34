"""Calls in threads: a deadline is kept, and a hanging call costs one thread and no more."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest

from activities.adapters.bounded_threads import BoundedThreads, Overrun
from tests.support.waiting import until

SHORT, LONG = timedelta(milliseconds=50), timedelta(seconds=30)


async def test_a_call_returns_or_raises_what_its_work_does() -> None:
    threads = BoundedThreads("test", 1)
    assert await threads.call(lambda: 7, LONG) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0, LONG)
    assert await threads.call(lambda: 8, LONG) == 8


async def test_a_call_that_hangs_is_given_up_at_its_deadline() -> None:
    threads, end = BoundedThreads("test", 2), threading.Event()
    with pytest.raises(Overrun, match=r"did not end within 0\.05 s"):
        await threads.call(end.wait, SHORT)
    assert await threads.call(lambda: "another thread is free", LONG)
    end.set()


async def test_calls_are_refused_at_once_while_hanging_ones_hold_every_thread_and_taken_again_after() -> None:
    threads, end = BoundedThreads("test", 2), threading.Event()
    given_up = await asyncio.gather(*(threads.call(end.wait, SHORT) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in given_up] == [Overrun] * 5
    began = time.monotonic()
    with pytest.raises(Overrun, match="all 2 threads are held"):
        await threads.call(lambda: "never run", LONG)
    assert time.monotonic() - began < LONG.total_seconds() / 2
    assert sum(thread.name == "perdure-test" for thread in threading.enumerate()) == 2
    end.set()
    await until(lambda: not any(t.name == "perdure-test" for t in threading.enumerate()), what="the threads end")
    assert await threads.call(lambda: "run again", LONG) == "run again"


async def test_a_cancelled_call_gives_its_thread_back_when_its_work_ends() -> None:
    threads, begun, end = BoundedThreads("test", 1), threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return end.wait()

    call = asyncio.create_task(threads.call(work, LONG))
    await until(begun.is_set, what="the work begins")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    end.set()
    await until(lambda: not any(t.name == "perdure-test" for t in threading.enumerate()), what="the thread ends")
    assert await threads.call(lambda: 1, LONG) == 1


async def test_a_timeout_that_the_work_itself_raises_is_its_own() -> None:
    def work() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        await BoundedThreads("test", 1).call(work, LONG)
