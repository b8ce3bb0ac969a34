"""One call of a tool where every event may be late: what was written, and what the run was told about it.

Attempts, attempts that were given up but live on, denials, calls that are called off, and resets of the run come in an
order drawn by chance, one step at a time, over the real ledger. Each attempt can be held for ever before and after each
of its questions to the ledger, and before and after it writes. A store may be away, and may have done what it does not
acknowledge. `python -m tests.state_machines.trials.evidence_trial COUNT SEED` makes many.
"""

import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

from activities.adapters.databases.database import Database
from activities.adapters.databases.sqlite_database import Durability, open_sqlite
from activities.ports import PortError, StorageFailed
from perdure.contracts.agents.steps import AskPerson, CallAnswered
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from tests.support.tool_calls.effects import KEY, UnpricedLedger, Worker, worker
from tools.base import Tool, ToolArguments, ToolContext, ToolEffect, tool
from tools.errors import NoAnswer, ServiceRefused
from tools.evidence import CannotTellYet, DidHappen, Evidence, NeverWill

TRIES = 5


class Broken(AssertionError):
    """A write happened that must not happen, or the run was told something untrue."""


class What(ToolArguments):
    """What to write."""

    what: str


class Actor:
    """A coroutine that runs step by step, and that a trial can stop for ever at any step."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self._go = asyncio.Event()
        self._stands = asyncio.Event()
        _acts.set(self)
        self.task = asyncio.ensure_future(work())
        self.task.add_done_callback(lambda _: self._stands.set())

    async def stand(self) -> None:
        """Wait here until the trial lets it go on."""
        self._go.clear()
        self._stands.set()
        await self._go.wait()

    async def step(self) -> None:
        """Run until the next stop, or until the end."""
        self._stands.clear()
        self._go.set()
        if not self.task.done():
            await self._stands.wait()

    async def begun(self) -> None:
        """Wait until it stops for the first time."""
        await self._stands.wait()


_acts: ContextVar[Actor] = ContextVar("acts")


class SteppedLedger:
    """A ledger whose callers stop before and after each question; now and then it is away."""

    def __init__(self, ledger: UnpricedLedger, chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._ledger, name)

        async def stepped(*arguments: Any) -> Any:
            actor = _acts.get()
            await actor.stand()
            if self._chance.random() < 0.03:
                raise StorageFailed("it is away")
            answer = await ask(*arguments)
            await actor.stand()
            if self._chance.random() < 0.03:
                raise StorageFailed("it did it, and did not say so")
            return answer

        return stepped


class Trial:
    """A run with one call."""

    def __init__(self, database: Database, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a trial, not a secret
        self._key = KEY.model_copy(update={"run_id": f"run-{seed}"})
        self.seed = seed
        self.writes = Counter[str]()
        """The number of writes, by their text."""
        self.outcomes: list[tuple[ToolOutcome, str]] = []
        """The final outcome of each history of the run, and the text of its call."""
        self._ended = 0
        """The highest attempt that the other side refuses as too late."""
        self._late: list[Actor] = []
        """Attempts that the run has given up, and that go on."""
        self._values = {"what": "x"}
        self._resumable = False
        self.tool = self._chance.choice([self._once, self._fenced, self._again])()
        ledger: Any = SteppedLedger(UnpricedLedger(database), self._chance)
        self.worker = worker(database, self.tool, ledger=ledger)
        self._newer = worker(database, ledger=ledger, granted={"write": self.tool})
        """A worker of another release, which does not have the tool any more."""

    # The world

    async def _write(self, context: ToolContext, arguments: What) -> str:
        await _acts.get().stand()
        luck = self._chance.random()
        if luck < 0.1:
            raise ServiceRefused("the other side said no")
        if luck < 0.2:
            raise NoAnswer("it went nowhere")
        if self.tool.reconcile is not None and context.attempt <= self._ended:
            raise ServiceRefused("it came too late")
        if self.tool.effect is not ToolEffect.IDEMPOTENT or not self.writes:
            self.writes[arguments.what] += 1
        await _acts.get().stand()
        if luck < 0.4:
            raise NoAnswer("the answer was lost")
        return f"wrote {arguments.what}"

    async def _reconcile(self, context: ToolContext) -> Evidence:
        await _acts.get().stand()
        if self._chance.random() < 0.2:
            return CannotTellYet()
        self._ended = max(self._ended, context.attempt)
        return DidHappen("it is there") if self.writes else NeverWill()

    def _tool(self, effect: ToolEffect, **more: Any) -> Tool[Any]:
        async def write(context: ToolContext, arguments: What) -> str:
            """Write."""
            return await self._write(context, arguments)

        return tool(effect, **more)(write)

    def _once(self) -> Tool[Any]:
        return self._tool(ToolEffect.AT_MOST_ONCE)

    def _fenced(self) -> Tool[Any]:
        return self._tool(ToolEffect.AT_MOST_ONCE, reconcile=self._reconcile, settles_within=timedelta(0))

    def _again(self) -> Tool[Any]:
        return self._tool(ToolEffect.IDEMPOTENT)

    # The run

    async def go(self) -> None:
        """Play several histories of the run, one after the other, then finish the late attempts. Raises `Broken`."""
        for history in range(self._chance.randint(1, 3)):
            self._resumable = False
            outcome = await self._history(reset=history > 0)
            if outcome is not None and not self._resumable:
                self.outcomes.append((outcome, self._values["what"]))
        while self._late:
            await self._someone_late()
        self._judge()

    async def _history(self, *, reset: bool) -> ToolOutcome | None:
        """Return the outcome that the run is told in the end; None where it stops without one."""
        if reset and self._chance.random() < 0.3:
            self._values = {"what": "y"}
        if self._chance.random() < 0.2:
            settled = await self._run(lambda: self.worker.settle(Ruling.DENY, "write", self._key, values=self._values))
            return None if settled is None else settled.outcome
        for attempt in range(1, TRIES + 1):
            if attempt > 1 and self._chance.random() < 0.15:
                return await self._called_off(attempt)
            release = self._newer if self._chance.random() < 0.2 else self.worker
            acted = await self._run(self._attempt(release, attempt), patient=False)
            if acted is None:
                continue
            if isinstance(acted.came, CallAnswered):
                return acted.came.outcome
            if isinstance(acted.came, AskPerson) or attempt == TRIES - 1:
                outcome, again = await self._person()
                if not again:
                    return outcome
        return await self._called_off(TRIES + 1)

    def _attempt(self, release: Worker, attempt: int, **more: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: release.act(attempt, "write", self._key, values=self._values, **more)

    async def _called_off(self, attempt: int) -> ToolOutcome | None:
        self._resumable = self._chance.random() < 0.5
        more = {"call_off": True, "may_resume": self._resumable}
        acted = await self._run(self._attempt(self.worker, attempt, **more))
        return acted.came.outcome if acted is not None and isinstance(acted.came, CallAnswered) else None

    async def _person(self) -> tuple[ToolOutcome | None, bool]:
        """Let a person look, and decide only what is certain; return whether the call is to be made again."""
        if self.writes:
            ruling, result = Ruling.DID_HAPPEN, "I saw it"
        elif self._late:
            return None, False  # the write may still come: nobody can tell
        else:
            ruling, result = Ruling.DID_NOT_HAPPEN, None
        settled = await self._run(
            lambda: self.worker.settle(ruling, "write", self._key, values=self._values, result=result)
        )
        if settled is None:
            return None, False
        return settled.outcome, settled.outcome is None and not settled.refused

    async def _run(self, work: Callable[[], Awaitable[Any]], *, patient: bool = True) -> Any:
        """Return the result, or None where the run gives it up (it then goes on late) or where a store was away."""
        actor = Actor(work)
        await actor.begun()
        while not actor.task.done():
            if self._late and self._chance.random() < 0.3:
                await self._someone_late()
            elif not patient and self._chance.random() < 0.06:
                self._late.append(actor)
                return None
            else:
                await actor.step()
        return _result_of(actor)

    async def _someone_late(self) -> None:
        actor = self._chance.choice(self._late)
        await actor.step()
        if actor.task.done():
            self._late.remove(actor)
            _result_of(actor)

    def _judge(self) -> None:
        """Raise `Broken` for a forbidden result."""
        total = self.writes.total()
        if total > 1:
            raise Broken(f"seed {self.seed}: {self.tool.effect.value}: written {total} times: {dict(self.writes)}")
        for outcome, what in self.outcomes:
            if outcome.ended is ToolEnded.RETURNED and not self.writes[what]:
                raise Broken(f"seed {self.seed}: told that {what!r} returned, and written was {dict(self.writes)}")
            if outcome.happened is Happened.NO and total:
                raise Broken(f"seed {self.seed}: told {outcome.ended.value}, not happened, and it was written")
            if outcome.happened is Happened.YES and not total:
                raise Broken(f"seed {self.seed}: told {outcome.ended.value}, happened, and nothing was written")


def _result_of(actor: Actor) -> Any:
    try:
        return actor.task.result()
    except PortError as error:
        if not error.outage:
            raise
        return None


async def trials(count: int, seed: int, database: Database) -> Counter[str]:
    """Run so many trials from this seed on; count what the runs were told. Raises `Broken`."""
    counts = Counter[str]()
    for number in range(seed, seed + count):
        trial = Trial(database, number)
        await trial.go()
        counts["written"] += trial.writes.total()
        counts.update(f"{one.ended.value}, happened {one.happened.value}" for one, _ in trial.outcomes)
    return counts


def open_trials(folder: Path) -> Database:
    """Open a fast database: the trials never cut its power."""
    return open_sqlite(folder / "trials.db", durability=Durability.KILLED_PROCESS)


async def main(count: int, seed: int) -> None:
    """Run the trials, and print their counts."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_trials(Path(folder))
        counts = await trials(count, seed, database)
        await database.dispose()
    print(f"{count} trials from seed {seed}: nothing was written twice, and nothing after it was said not to be")  # noqa: T201
    for what, number in counts.most_common():
        print(f"{number:8} {what}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:3])))
