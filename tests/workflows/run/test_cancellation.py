"""Parallel work is cancelled when a run ends, but not when the worker only evicts the run from its cache."""

import asyncio

import pytest

from workflows.run.cancellation import cancel_on_exit


async def test_what_still_goes_on_is_called_off_and_waited_for_at_the_end() -> None:
    settled: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            settled.append("settled")

    task = asyncio.create_task(work())

    async def run() -> None:
        async with cancel_on_exit(task):
            await asyncio.sleep(0)
            raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        await run()
    assert task.cancelled()
    assert settled == ["settled"]


async def test_a_run_that_is_forgotten_calls_nothing_off() -> None:
    task = asyncio.create_task(asyncio.Event().wait())

    async def run() -> None:
        async with cancel_on_exit(task):
            await asyncio.Event().wait()

    forgotten = run()
    forgotten.send(None)
    forgotten.close()  # a coroutine that waits for anything now is an error of its own
    assert task.cancelling() == 0
    task.cancel()
