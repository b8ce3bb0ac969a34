"""Runs blocking calls in a limited number of daemon threads, each call with a deadline."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

Result = TypeVar("Result")


class Overrun(Exception):
    """A call did not end within its deadline, or could not begin because overrun calls hold every thread."""


class BoundedThreads:
    """The threads of one kind of call, for use from one event loop.

    A thread cannot be killed: a call that overruns keeps its thread until it ends by itself. So there are at most
    `limit` threads. While overrun calls hold all of them, the next call is refused at once. The threads are daemons,
    because a process that ends would wait for the threads of an executor.

    This does not help against a call that never releases the interpreter's lock, for example a runaway regular
    expression: it stops the whole process.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._free = asyncio.Semaphore(limit)
        self._overrun_calls = 0

    async def call(self, work: Callable[[], Result], deadline: timedelta) -> Result:
        """Run `work` in a thread; return or raise what it does. Raises `Overrun`.

        The deadline includes the wait for a free thread.
        """
        if self._overrun_calls >= self._limit:
            raise Overrun(f"{self._name}: all {self._limit} threads are held by calls that did not end")
        limit = asyncio.timeout(deadline.total_seconds())
        try:
            async with limit:
                await self._free.acquire()
                return await self._run_in_thread(work)
        except TimeoutError:
            if limit.expired():
                raise Overrun(f"{self._name}: it did not end within {deadline.total_seconds():g} s") from None
            raise

    async def _run_in_thread(self, work: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001 - the caller that awaits the future gets it
                call_in_loop(self._failed, future, error)
            else:
                call_in_loop(self._returned, future, result)

        def call_in_loop(callback: Callable[..., None], *arguments: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(callback, *arguments)

        try:
            threading.Thread(target=run, name=f"perdure-{self._name}", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise
        try:
            return await future
        finally:
            if future.cancelled():
                self._overrun_calls += 1

    def _returned(self, future: asyncio.Future[Result], result: Result) -> None:
        self._release(future)
        if not future.done():
            future.set_result(result)

    def _failed(self, future: asyncio.Future[Result], error: BaseException) -> None:
        self._release(future)
        if not future.done():
            future.set_exception(error)

    def _release(self, future: asyncio.Future[Result]) -> None:
        self._free.release()
        if future.cancelled():
            self._overrun_calls -= 1
