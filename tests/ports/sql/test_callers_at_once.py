"""Several processes ask for the same calls at once, and one is killed before it reports: no call is made twice."""

from collections import Counter

import pytest

from activities.ports import Decided, EffectLedger, Fresh, Unknown
from activities.settings import Settings
from perdure.contracts.tool_calls.ledger import CallPhase, Succeeded, Word
from tests.ports.sql.test_writers_at_once import environment_of
from tests.support.processes.at_once import lines_of, ready
from tests.support.processes.calling import CALL, KEY, key_of, outcome_of
from tests.support.tool_calls.ledger_steps import SENT, decision

CALLS = 40


@pytest.mark.parametrize("attempts", [(1, 2, 3), (1, 1, 1)], ids=["retries", "one delivered thrice"])
async def test_of_processes_that_ask_at_once_exactly_one_calls(
    place: Settings, ledger: EffectLedger, attempts: tuple[int, ...]
) -> None:
    environment = environment_of(place)
    processes = [
        await ready("tests.support.processes.calling", each, CALLS, environment=environment) for each in attempts
    ]
    outputs = await lines_of(processes)
    called = Counter(line.split()[1] for lines in outputs for line in lines if line.startswith("called"))
    assert called == {str(number): 1 for number in range(CALLS)}
    for number in range(CALLS):
        record = await ledger.look(key_of(number))
        assert record is not None
        assert record.phase is CallPhase.DONE
        outcome = outcome_of(record.attempt, number)
        assert record.outcome == Succeeded(result=outcome.result.reference())


async def test_a_process_that_is_killed_before_it_tells_leaves_the_call_unknown(
    place: Settings, ledger: EffectLedger
) -> None:
    process = await ready("tests.support.processes.calling", 1, 0, environment=environment_of(place))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    assert await process.stdout.readline() == b"Fresh\n"
    process.kill()
    await process.wait()

    answer = await ledger.intend(KEY, 2, CALL)
    assert isinstance(answer, Unknown)
    assert answer.attempt == 1
    [waiting] = await ledger.unknowns(KEY.tenant)
    assert waiting.key == KEY
    assert await ledger.decide(KEY, decision(1, Word.DID_NOT_HAPPEN, 1)) == Decided(CallPhase.CLEARED, None)
    assert await ledger.intend(KEY, 2, CALL) == Fresh()
    assert (await ledger.record(KEY, 2, SENT)).outcome == SENT


async def test_processes_that_ask_after_a_persons_word_get_one_call_between_them(
    place: Settings, ledger: EffectLedger
) -> None:
    for number in range(CALLS):
        await ledger.intend(key_of(number), 1, CALL)
        await ledger.intend(key_of(number), 2, CALL)
        await ledger.decide(key_of(number), decision(1, Word.DID_NOT_HAPPEN, 1))
    environment = environment_of(place)
    processes = [
        await ready("tests.support.processes.calling", each, CALLS, environment=environment) for each in (2, 3, 2)
    ]
    outputs = await lines_of(processes)
    called = Counter(line.split()[1] for lines in outputs for line in lines if line.startswith("called"))
    assert called == {str(number): 1 for number in range(CALLS)}
