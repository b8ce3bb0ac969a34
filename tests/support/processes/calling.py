"""`python -m tests.support.processes.calling ATTEMPT COUNT`: a process that asks whether it may call, and calls.

It uses the database that its settings name, begins once it gets a line, and asks for COUNT calls, all at once; several
processes compete for the same ones. It prints a line for each that it made. Where COUNT is 0 it asks for one call,
prints what it heard, and never tells what came of it.
"""

import asyncio
import sys

from activities.adapters.databases.open import open_database
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.ports import Done, Fresh, Recorded
from activities.settings import load
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import IntendedCall, Succeeded

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run", step="call-0")
CALL = IntendedCall(tool="send_message", tool_digest="1" * 64, arguments_digest="2" * 64)

AT_ONCE = 16


def key_of(number: int) -> StepKey:
    """The key of a call."""
    return KEY.model_copy(update={"step": f"call-{number}"})


def sent(attempt: int, number: int) -> Succeeded:
    """What the call of an attempt returned."""
    return Succeeded(result=Text.of(f"call {number} by attempt {attempt}"))


async def work(attempt: int, count: int) -> None:
    """Ask, call and tell, `AT_ONCE` at the same time."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with open_database(load()) as database:
        ledger = SqlEffectLedger(database)

        async def one(number: int) -> None:
            async with slots:
                heard = await ledger.intend(key_of(number), attempt, CALL)
                if isinstance(heard, Fresh):
                    print("called", number, flush=True)  # noqa: T201 - the starter counts the calls
                    told = await ledger.record(key_of(number), attempt, sent(attempt, number))
                    assert isinstance(told, Recorded), told
                elif isinstance(heard, Done):
                    print("done", number, heard.outcome.kind, flush=True)  # noqa: T201

        await asyncio.gather(*(one(number) for number in range(count)))


async def hang(attempt: int) -> None:
    """Ask for one call, say what was heard, and tell nothing until somebody ends this process."""
    async with open_database(load()) as database:
        heard = await SqlEffectLedger(database).intend(KEY, attempt, CALL)
        print(type(heard).__name__, flush=True)  # noqa: T201 - the starter waits for it
        await asyncio.Event().wait()


def main() -> None:
    """Wait for a line, then work."""
    attempt, count = (int(word) for word in sys.argv[1:])
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    asyncio.run(work(attempt, count) if count else hang(attempt))


if __name__ == "__main__":
    main()
