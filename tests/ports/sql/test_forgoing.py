"""What every intent ledger promises about a call that is forgone before it is made."""

import asyncio

import pytest

from activities.ports import Done, EffectLedger, Fresh, KeyTaken, Unknown
from perdure.contracts.tool_calls.ledger import CallPhase, Happening
from tests.support.processes.calling import CALL, KEY, key_of
from tests.support.tool_calls.ledger_steps import CALLED_OFF


async def test_a_forgone_call_is_done_for_every_later_attempt(
    ledger: EffectLedger,
) -> None:
    assert await ledger.forgo(KEY, 2, CALL, CALLED_OFF) == Fresh()
    record = await ledger.look(KEY)
    assert record is not None
    assert [(event.happening, event.phase) for event in record.events] == [
        (Happening.INTENDED, CallPhase.INTENDED),
        (Happening.TOLD, CallPhase.DONE),
    ]
    for attempt in (1, 2, 3):
        assert await ledger.intend(KEY, attempt, CALL) == Done(CALLED_OFF)
        assert await ledger.forgo(KEY, attempt, CALL, CALLED_OFF) == Done(CALLED_OFF)
    assert await ledger.look(KEY) == record
    with pytest.raises(KeyTaken):
        await ledger.forgo(KEY, 3, CALL.model_copy(update={"arguments_digest": "3" * 64}), CALLED_OFF)


async def test_a_call_and_a_forgoing_at_once_end_in_one_order(ledger: EffectLedger) -> None:
    for number in range(20):
        key = key_of(number)
        answers = await asyncio.gather(ledger.intend(key, 1, CALL), ledger.forgo(key, 2, CALL, CALLED_OFF))
        assert [type(one) for one in answers] in ([Fresh, Unknown], [Done, Fresh])
