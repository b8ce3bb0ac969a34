"""What every intent ledger promises of a call that is given up before it is made."""

import asyncio

import pytest

from activities.ports import Done, EffectLedger, Fresh, KeyTaken, Unknown
from perdure.contracts.tool_calls.ledger import CallPhase, Happening
from tests.support.processes.calling import CALL, KEY, key_of
from tests.support.tool_calls.ledger_steps import CALLED_OFF


async def test_what_was_forgone_is_done_for_whoever_asks_later_however_late_it_is(
    ledger: EffectLedger,
) -> None:
    assert await ledger.forgo(KEY, 2, CALL, CALLED_OFF) == Fresh()
    known = await ledger.look(KEY)
    assert known is not None
    assert [(event.happening, event.phase) for event in known.events] == [
        (Happening.INTENDED, CallPhase.INTENDED),
        (Happening.TOLD, CallPhase.DONE),
    ]
    for attempt in (1, 2, 3):
        assert await ledger.intend(KEY, attempt, CALL) == Done(CALLED_OFF)
        assert await ledger.forgo(KEY, attempt, CALL, CALLED_OFF) == Done(CALLED_OFF)
    assert await ledger.look(KEY) == known
    with pytest.raises(KeyTaken):
        await ledger.forgo(KEY, 3, CALL.model_copy(update={"arguments_digest": "3" * 64}), CALLED_OFF)


async def test_of_one_that_calls_and_one_that_forgoes_at_once_one_is_first(ledger: EffectLedger) -> None:
    for number in range(20):
        key = key_of(number)
        heard = await asyncio.gather(ledger.intend(key, 1, CALL), ledger.forgo(key, 2, CALL, CALLED_OFF))
        assert [type(one) for one in heard] in ([Fresh, Unknown], [Done, Fresh])
