"""Blocking calls in threads: so many at a time, each with a deadline, and none that keeps the process from ending."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

Answer = TypeVar("Answer")


class Overrun(Exception):
    """A call did not end within its deadline, or none could begin because of those that did not."""


class BoundedThreads:
    """The threads of one kind of call, for use from one event loop.

    A thread cannot be killed: a call that overruns keeps its thread until it ends by itself. So there are `limit`
    threads and no more, and while all of them are held by calls that overran, the next call is refused at once. The
    threads are daemons, because an executor's threads would be waited for when the process ends.

    A call that never lets go of the interpreter's lock (a runaway regular expression, say) stops the whole process,
    and nothing here helps against that.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._free = asyncio.Semaphore(limit)
        self._overrun = 0

    async def call(self, work: Callable[[], Answer], deadline: timedelta) -> Answer:
        """What `work` returns or raises, waiting for a free thread included. Raises `Overrun`."""
        if self._overrun >= self._limit:
            raise Overrun(f"{self._name}: all {self._limit} threads are held by calls that did not end")
        limit = asyncio.timeout(deadline.total_seconds())
        try:
            async with limit:
                await self._free.acquire()
                return await self._begin(work)
        except TimeoutError:
            if limit.expired():
                raise Overrun(f"{self._name}: it did not end within {deadline.total_seconds():g} s") from None
            raise

    async def _begin(self, work: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                tell(self._failed, answer, error)
            else:
                tell(self._returned, answer, result)

        def tell(told: Callable[..., None], *about: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(told, *about)

        try:
            threading.Thread(target=run, name=f"perdure-{self._name}", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._free.release()
            raise
        try:
            return await answer
        finally:
            if answer.cancelled():
                self._overrun += 1

    def _returned(self, answer: asyncio.Future[Answer], result: Answer) -> None:
        self._release(answer)
        if not answer.done():
            answer.set_result(result)

    def _failed(self, answer: asyncio.Future[Answer], error: BaseException) -> None:
        self._release(answer)
        if not answer.done():
            answer.set_exception(error)

    def _release(self, answer: asyncio.Future[Answer]) -> None:
        self._free.release()
        if answer.cancelled():
            self._overrun -= 1
