"""Runs work over foreign text in processes that are killed where the work exceeds a limit.

Why no library: pebble kills at a deadline, but forks from the caller or from a server without a spare, pickles both
ways, knows nothing of memory and of processor time, and does not say which process runs what. What is needed is small.
"""

import asyncio
import json
import signal
import weakref
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from activities.adapters.bounded_threads import BoundedThreads, Overrun
from activities.adapters.foreign_work.blame import LONG, Clocked, to_blame
from activities.adapters.foreign_work.frames import Exchange
from activities.adapters.foreign_work.limits import Busy, Exceeded, Failed, Limits, Stopped
from activities.adapters.foreign_work.processes import Child, ForkServer, NoProcess
from activities.adapters.foreign_work.stopped_work import StoppedWork, digest_of
from activities.adapters.foreign_work.turns import Turns

WATCH = 0.05
"""The seconds between two looks at a process: a page fault costs so much that it cannot take much memory in between."""
STARTING = timedelta(minutes=2)
"""How long the fork server may load before its start counts as failed."""
_FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})


class Pool:
    """Processes for one kind of work, for use from one event loop.

    One more process than is busy stands by, so that work after a kill waits for no fork.
    """

    def __init__(
        self,
        server: ForkServer,
        *,
        processes: int,
        waiting: int,
        remembered: timedelta,
        uses: int = 1000,
        one_each: bool = False,
        niceness: int = 0,
    ) -> None:
        """`uses`: the requests that one process serves. `one_each`: one piece of work at a time for each caller."""
        self._server = server
        self._turns = Turns(processes, waiting=waiting, one_each=one_each)
        self._stopped = StoppedWork(remembered)
        self._uses = uses
        self._niceness = niceness
        self._threads = BoundedThreads("foreign-work", 4)
        self._children: set[Child] = set()
        self._idle: list[Child] = []
        self._forking: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self.kills = 0
        """The processes that were killed at a limit."""
        self.close = weakref.finalize(self, _kill_all, self._children)
        """Kill every process. Work in them is lost."""

    async def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        payload: bytes,
        limits: Limits,
        *,
        caller: str = "",
        deadline: timedelta | None = None,
        longest_wait: timedelta | None = None,
    ) -> bytes:
        """Call `function` ("package.module:name") in a process with the arguments and the bytes; return its bytes.

        The limit of time begins when the work does; `longest_wait` bounds the wait for a process, and `deadline` both
        together. Raises `Stopped` where a limit is exceeded, `Failed` for the work's own error, `Busy` where too many
        wait or no process is free in time, and `NoProcess`. A cancelled call kills its process.
        """
        began = asyncio.get_running_loop().time()
        digest = digest_of(function, arguments, payload)
        self._refuse_again(digest)
        if not self._turns.taken_at_once(caller):
            await self._wait_for_turn(caller, deadline, longest_wait)
        try:
            self._refuse_again(digest)  # the same work may have been stopped while this waited
            child = await self._take()
            if deadline is not None:
                waited = timedelta(seconds=asyncio.get_running_loop().time() - began)
                limits = replace(limits, time=min(limits.time, deadline - waited))
            header = {
                "function": function,
                "arguments": arguments,
                "processor": limits.processor.total_seconds(),
                "output": limits.output,
            }
            healthy = False
            try:
                returned, data = await self._watched(child, header, payload, limits, digest)
                healthy = True
            finally:
                self._give_back(child, healthy=healthy)
        finally:
            self._turns.release(caller)
        if returned:
            return data
        report = json.loads(data)
        if "exceeded" in report:
            raise self._stop(digest, Exceeded(report["exceeded"]), child)
        raise Failed(report["error"], report["message"], report["where"])

    async def _wait_for_turn(self, caller: str, *bounds: timedelta | None) -> None:
        longest = min((bound for bound in bounds if bound is not None), default=None)
        try:
            async with asyncio.timeout(None if longest is None else longest.total_seconds()):
                await self._turns.take(caller)
        except TimeoutError:
            raise Busy("no process was free in time") from None

    def _refuse_again(self, digest: bytes) -> None:
        if (before := self._stopped.reason(digest)) is not None:
            raise Stopped(before, before=True)

    async def _watched(
        self, child: Child, header: Mapping[str, Any], payload: bytes, limits: Limits, digest: bytes
    ) -> tuple[bool, bytes]:
        loop = asyncio.get_running_loop()
        limit, started, watched = limits.time.total_seconds(), loop.time(), 0.0
        before = child.begin()
        exchange = Exchange(child.peer, header, payload, limits.output)
        try:
            while True:
                looked = loop.time()
                rest = limit - (looked - started)
                done, _ = await asyncio.wait({exchange.reply}, timeout=max(0.0, min(WATCH, rest)))
                if done:
                    return exchange.reply.result()
                watched += min(loop.time() - looked, 2 * WATCH)
                now = child.usage()
                used = now.processor - before.processor
                if now.memory - before.memory > limits.memory:
                    exceeded = Exceeded.MEMORY
                elif used > limits.processor.total_seconds():
                    exceeded = Exceeded.PROCESSOR
                elif rest <= 0:
                    exceeded = Exceeded.TIME
                else:
                    if used > LONG:  # short work of others goes first
                        child.step_back()
                        child.used = self._uses
                    continue
                clocked = Clocked(limit, watched, used, now.queued - before.queued)
                self.kills += 1
                raise self._stop(digest, exceeded, child, sure=exceeded is not Exceeded.TIME or to_blame(clocked))
        except OverflowError:
            self.kills += 1
            raise self._stop(digest, Exceeded.OUTPUT, child) from None
        except EOFError:
            exchange.close()
            raise await self._crashed(child, digest) from None
        finally:
            exchange.close()

    async def _crashed(self, child: Child, digest: bytes) -> Stopped:
        progress = child.progress()
        child.kill()
        self._children.discard(child)
        code = await self._threads.call(child.reap, STARTING)
        if code == -signal.SIGXCPU:  # the kernel was faster than the watch
            self.kills += 1
            return self._stop(digest, Exceeded.PROCESSOR, progress=progress)
        # Killed from outside, for example where the system had no memory left: the work need not be to blame.
        sure = code is not None and -code in _FAULTS
        return self._stop(digest, Exceeded.CRASH, progress=progress, sure=sure)

    def _stop(
        self, digest: bytes, exceeded: Exceeded, child: Child | None = None, *, progress: bytes = b"", sure: bool = True
    ) -> Stopped:
        if sure:
            self._stopped.add(digest, exceeded)
        return Stopped(exceeded, sure=sure, progress=progress if child is None else child.progress())

    @property
    def busy(self) -> int:
        """The processes that are at work."""
        return len(self._children) - len(self._idle)

    async def start(self) -> None:
        """Load what the work needs and let a process stand by. Raises `NoProcess`."""
        if not self._idle:
            await self._fork()

    async def _take(self) -> Child:
        while True:
            while not self._idle:
                await self._fork()
            child = self._idle.pop()
            if child.alive:
                child.used += 1
                return child
            self._discard(child)

    def _give_back(self, child: Child, *, healthy: bool) -> None:
        if healthy and child.used < self._uses:
            self._idle.append(child)
            return
        self._discard(child)
        if not self._idle and (self._forking is None or self._forking.done()):
            self._forking = self._later(self._fork_one())

    def _discard(self, child: Child) -> None:
        child.kill()
        if child in self._children:
            self._children.discard(child)
            self._later(self._threads.call(child.reap, STARTING))

    async def _fork(self) -> None:
        """Wait until one more process stands by; several that wait share the wait."""
        if self._forking is None or self._forking.done():
            self._forking = self._later(self._fork_one())
        await asyncio.shield(self._forking)

    async def _fork_one(self) -> None:
        def fork() -> Child:
            try:
                return self._server.fork(self._niceness)
            except NoProcess:  # the fork server had ended, which is noticed only now: another one starts
                return self._server.fork(self._niceness)

        try:
            child = await self._threads.call(fork, STARTING)
        except Overrun as error:
            raise NoProcess(str(error)) from None
        self._children.add(child)
        self._idle.append(child)

    def _later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # the work that needs a process raises it, if there is any


def _kill_all(children: set[Child]) -> None:
    for child in children:
        child.kill()
