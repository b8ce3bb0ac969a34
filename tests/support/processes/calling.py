"""`python -m tests.support.processes.calling ATTEMPT COUNT`: a process that asks the ledger for calls and makes them.

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
    """Return the key of a call."""
    return KEY.model_copy(update={"step": f"call-{number}"})


def outcome_of(attempt: int, number: int) -> Succeeded:
    """Return the outcome of an attempt's call."""
    return Succeeded(result=Text.of(f"call {number} by attempt {attempt}"))


async def work(attempt: int, count: int) -> None:
    """Ask, call and report, `AT_ONCE` at the same time."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with open_database(load()) as database:
        ledger = SqlEffectLedger(database)

        async def one(number: int) -> None:
            async with slots:
                permission = await ledger.intend(key_of(number), attempt, CALL)
                if isinstance(permission, Fresh):
                    print("called", number, flush=True)  # noqa: T201 - the starter counts the calls
                    recorded = await ledger.record(key_of(number), attempt, outcome_of(attempt, number))
                    assert isinstance(recorded, Recorded), recorded
                elif isinstance(permission, Done):
                    print("done", number, permission.outcome.kind, flush=True)  # noqa: T201

        await asyncio.gather(*(one(number) for number in range(count)))


async def hang(attempt: int) -> None:
    """Ask for one call, print the ledger's answer, and report nothing until this process is killed."""
    async with open_database(load()) as database:
        permission = await SqlEffectLedger(database).intend(KEY, attempt, CALL)
        print(type(permission).__name__, flush=True)  # noqa: T201 - the starter waits for it
        await asyncio.Event().wait()


def main() -> None:
    """Wait for a line, then work."""
    attempt, count = (int(argument) for argument in sys.argv[1:])
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    asyncio.run(work(attempt, count) if count else hang(attempt))


if __name__ == "__main__":
    main()
