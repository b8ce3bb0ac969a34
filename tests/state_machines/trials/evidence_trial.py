"""One call of a tool in a world where anything may be late: what was written there, and what the run was told of it.

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
    """Something was written that must not be, or the run was told what is not so."""


class What(ToolArguments):
    """What to write."""

    what: str


class Actor:
    """Somebody who does one thing, step by step, and may be left standing at any of them."""

    def __init__(self, doing: Callable[[], Awaitable[Any]]) -> None:
        self._go = asyncio.Event()
        self._stands = asyncio.Event()
        _acts.set(self)
        self.task = asyncio.ensure_future(doing())
        self.task.add_done_callback(lambda _: self._stands.set())

    async def stand(self) -> None:
        """Wait here until the trial says so."""
        self._go.clear()
        self._stands.set()
        await self._go.wait()

    async def step(self) -> None:
        """Go on until the next place to stand, or the end."""
        self._stands.clear()
        self._go.set()
        if not self.task.done():
            await self._stands.wait()

    async def begun(self) -> None:
        """Until it stands for the first time."""
        await self._stands.wait()


_acts: ContextVar[Actor] = ContextVar("acts")


class Held:
    """A ledger at which whoever asks may stand, before and after; now and then it is away."""

    def __init__(self, ledger: UnpricedLedger, chance: random.Random) -> None:
        self._ledger = ledger
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._ledger, name)

        async def held(*asked: Any) -> Any:
            actor = _acts.get()
            await actor.stand()
            if self._chance.random() < 0.03:
                raise StorageFailed("it is away")
            answer = await ask(*asked)
            await actor.stand()
            if self._chance.random() < 0.03:
                raise StorageFailed("it did it, and did not say so")
            return answer

        return held


class Trial:
    """A run with one call."""

    def __init__(self, database: Database, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a trial, not a secret
        self._key = KEY.model_copy(update={"run_id": f"run-{seed}"})
        self.seed = seed
        self.writes = Counter[str]()
        """What was written, by its words."""
        self.told: list[tuple[ToolOutcome, str]] = []
        """What each history of the run was told in the end, and of which call."""
        self._ended = 0
        """Up to which attempt the other side refuses what comes late."""
        self._late: list[Actor] = []
        """Attempts that the run has given up, and that live on."""
        self._said = {"what": "x"}
        self._resumable = False
        self.tool = self._chance.choice([self._once, self._fenced, self._again])()
        ledger: Any = Held(UnpricedLedger(database), self._chance)
        self.worker = worker(database, self.tool, ledger=ledger)
        self._newer = worker(database, ledger=ledger, granted={"write": self.tool})
        """A worker of another release, which has the tool no more."""

    # The world

    async def _write(self, context: ToolContext, asked: What) -> str:
        await _acts.get().stand()
        luck = self._chance.random()
        if luck < 0.1:
            raise ServiceRefused("the other side said no")
        if luck < 0.2:
            raise NoAnswer("it went nowhere")
        if self.tool.reconcile is not None and context.attempt <= self._ended:
            raise ServiceRefused("it came too late")
        if self.tool.effect is not ToolEffect.IDEMPOTENT or not self.writes:
            self.writes[asked.what] += 1
        await _acts.get().stand()
        if luck < 0.4:
            raise NoAnswer("the answer was lost")
        return f"wrote {asked.what}"

    async def _became(self, context: ToolContext) -> Evidence:
        await _acts.get().stand()
        if self._chance.random() < 0.2:
            return CannotTellYet()
        self._ended = max(self._ended, context.attempt)
        return DidHappen("it is there") if self.writes else NeverWill()

    def _made(self, effect: ToolEffect, **more: Any) -> Tool[Any]:
        async def write(context: ToolContext, asked: What) -> str:
            """Write."""
            return await self._write(context, asked)

        return tool(effect, **more)(write)

    def _once(self) -> Tool[Any]:
        return self._made(ToolEffect.AT_MOST_ONCE)

    def _fenced(self) -> Tool[Any]:
        return self._made(ToolEffect.AT_MOST_ONCE, reconcile=self._became, settles_within=timedelta(0))

    def _again(self) -> Tool[Any]:
        return self._made(ToolEffect.IDEMPOTENT)

    # The run

    async def go(self) -> None:
        """Several histories of the run, one after the other, and then whoever is late goes on. Raises `Broken`."""
        for history in range(self._chance.randint(1, 3)):
            self._resumable = False
            outcome = await self._history(reset=history > 0)
            if outcome is not None and not self._resumable:
                self.told.append((outcome, self._said["what"]))
        while self._late:
            await self._someone_late()
        self._judge()

    async def _history(self, *, reset: bool) -> ToolOutcome | None:
        """What the run is told in the end; None where it stops without a word."""
        if reset and self._chance.random() < 0.3:
            self._said = {"what": "y"}
        if self._chance.random() < 0.2:
            settled = await self._done(lambda: self.worker.settle(Ruling.DENY, "write", self._key, said=self._said))
            return None if settled is None else settled.outcome
        for attempt in range(1, TRIES + 1):
            if attempt > 1 and self._chance.random() < 0.15:
                return await self._called_off(attempt)
            release = self._newer if self._chance.random() < 0.2 else self.worker
            acted = await self._done(self._attempt(release, attempt), patient=False)
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
        return lambda: release.act(attempt, "write", self._key, said=self._said, **more)

    async def _called_off(self, attempt: int) -> ToolOutcome | None:
        self._resumable = self._chance.random() < 0.5
        more = {"call_off": True, "may_resume": self._resumable}
        acted = await self._done(self._attempt(self.worker, attempt, **more))
        return acted.came.outcome if acted is not None and isinstance(acted.came, CallAnswered) else None

    async def _person(self) -> tuple[ToolOutcome | None, bool]:
        """Somebody who looks, and says only what is sure; whether the call is to be made again."""
        if self.writes:
            ruling, result = Ruling.DID_HAPPEN, "I saw it"
        elif self._late:
            return None, False  # it may still come: nobody can say
        else:
            ruling, result = Ruling.DID_NOT_HAPPEN, None
        settled = await self._done(
            lambda: self.worker.settle(ruling, "write", self._key, said=self._said, result=result)
        )
        if settled is None:
            return None, False
        return settled.outcome, settled.outcome is None and not settled.refused

    async def _done(self, doing: Callable[[], Awaitable[Any]], *, patient: bool = True) -> Any:
        """What came of it, or None where the run gives it up: it lives on then, unless a store was away."""
        actor = Actor(doing)
        await actor.begun()
        while not actor.task.done():
            if self._late and self._chance.random() < 0.3:
                await self._someone_late()
            elif not patient and self._chance.random() < 0.06:
                self._late.append(actor)
                return None
            else:
                await actor.step()
        return _came_of(actor)

    async def _someone_late(self) -> None:
        actor = self._chance.choice(self._late)
        await actor.step()
        if actor.task.done():
            self._late.remove(actor)
            _came_of(actor)

    def _judge(self) -> None:
        """Raise `Broken` for what must not be."""
        total = self.writes.total()
        if total > 1:
            raise Broken(f"seed {self.seed}: {self.tool.effect.value}: written {total} times: {dict(self.writes)}")
        for outcome, what in self.told:
            if outcome.ended is ToolEnded.RETURNED and not self.writes[what]:
                raise Broken(f"seed {self.seed}: told that {what!r} returned, and written was {dict(self.writes)}")
            if outcome.happened is Happened.NO and total:
                raise Broken(f"seed {self.seed}: told {outcome.ended.value}, not happened, and it was written")
            if outcome.happened is Happened.YES and not total:
                raise Broken(f"seed {self.seed}: told {outcome.ended.value}, happened, and nothing was written")


def _came_of(actor: Actor) -> Any:
    try:
        return actor.task.result()
    except PortError as error:
        if not error.outage:
            raise
        return None


async def trials(count: int, seed: int, database: Database) -> Counter[str]:
    """So many trials, the first of this seed; counts what the runs were told. Raises `Broken`."""
    told = Counter[str]()
    for number in range(seed, seed + count):
        trial = Trial(database, number)
        await trial.go()
        told["written"] += trial.writes.total()
        told.update(f"{one.ended.value}, happened {one.happened.value}" for one, _ in trial.told)
    return told


def open_trials(folder: Path) -> Database:
    """A database that is quick: nobody cuts its power."""
    return open_sqlite(folder / "trials.db", durability=Durability.KILLED_PROCESS)


async def main(count: int, seed: int) -> None:
    """Make many, and print what they came to."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_trials(Path(folder))
        told = await trials(count, seed, database)
        await database.dispose()
    print(f"{count} trials from seed {seed}: nothing was written twice, and nothing after it was said not to be")  # noqa: T201
    for what, number in told.most_common():
        print(f"{number:8} {what}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*(int(word) for word in sys.argv[1:3])))
