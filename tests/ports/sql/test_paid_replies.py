"""What every store of paid replies promises."""

import asyncio
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.adapters.databases.database import Database
from activities.ports import BlobStore, PaidReplies, UnknownKey
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import Generated, StepKey
from perdure.contracts.text import Text
from tests.support.stores.orders import RegisteredReplies, order

KEY = StepKey(tenant="acme", workflow_id="acme:one", run_id="run", step="generate-1")
FIVE = Spend(steps=1, input_tokens=5, micro_dollars=5)
SEVEN = Spend(steps=1, input_tokens=7, micro_dollars=7)


def reply(answer: str) -> Generated:
    return Generated(
        charges={},
        answer=Text.of(answer),
        citations=(),
        model="stub",
        finish_reason="stop",
        prompt_digest="0" * 64,
    )


async def test_the_first_attempt_finds_nothing_and_is_recorded(replies: PaidReplies) -> None:
    assert await replies.begin(order(KEY, 1), Generated) is None
    assert await replies.attempts(KEY) == {1: None}


async def test_beginning_an_attempt_again_changes_nothing(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    assert await replies.begin(order(KEY, 1), Generated) is None
    assert await replies.attempts(KEY) == {1: None}


async def test_a_saved_reply_is_returned_to_a_later_attempt_which_buys_nothing(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    saved = await replies.save(order(KEY, 1), reply("first"), FIVE)
    assert saved == reply("first").model_copy(update={"charges": {1: FIVE}})
    again = await replies.begin(order(KEY, 2), Generated)
    assert again == reply("first").model_copy(update={"charges": {1: FIVE, 2: Spend()}})
    assert await replies.attempts(KEY) == {1: FIVE}


async def test_the_attempt_that_bought_the_reply_keeps_its_charge_when_it_asks_again(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    await replies.save(order(KEY, 1), reply("first"), FIVE)
    again = await replies.begin(order(KEY, 1), Generated)
    assert again is not None
    assert again.charges == {1: FIVE}


async def test_an_unknown_outcome_stays_unknown(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    await replies.begin(order(KEY, 2), Generated)
    saved = await replies.save(order(KEY, 2), reply("second"), SEVEN)
    assert saved.charges == {2: SEVEN}
    assert await replies.attempts(KEY) == {1: None, 2: SEVEN}
    lost = await replies.begin(order(KEY, 1), Generated)
    assert lost is not None
    assert lost.charges == {2: SEVEN}


async def test_a_second_save_does_not_replace_the_first_and_charges_add_up(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    await replies.begin(order(KEY, 2), Generated)
    await replies.save(order(KEY, 2), reply("second"), SEVEN)
    late = await replies.save(order(KEY, 1), reply("first"), FIVE)
    assert late == reply("second").model_copy(update={"charges": {1: FIVE, 2: SEVEN}})
    assert sum(late.charges.values(), Spend()) == Spend(steps=2, input_tokens=12, micro_dollars=12)


async def test_saving_for_the_same_attempt_again_changes_nothing(replies: PaidReplies) -> None:
    await replies.begin(order(KEY, 1), Generated)
    once = await replies.save(order(KEY, 1), reply("first"), FIVE)
    assert await replies.save(order(KEY, 1), reply("other"), SEVEN) == once
    assert await replies.attempts(KEY) == {1: FIVE}


@pytest.mark.parametrize("other", [{"tenant": "globex"}, {"run_id": "another"}, {"step": "generate-2"}])
async def test_another_tenant_run_or_step_knows_nothing_of_it(replies: PaidReplies, other: dict[str, str]) -> None:
    await replies.begin(order(KEY, 1), Generated)
    await replies.save(order(KEY, 1), reply("first"), FIVE)
    elsewhere = KEY.model_copy(update=other)
    assert await replies.attempts(elsewhere) == {}
    assert await replies.begin(order(elsewhere, 1), Generated) is None


async def test_attempts_that_save_at_once_all_return_the_same_reply(replies: PaidReplies) -> None:
    await asyncio.gather(*(replies.begin(order(KEY, attempt), Generated) for attempt in range(1, 9)))
    saved = await asyncio.gather(*(replies.save(order(KEY, n), reply(f"reply {n}"), FIVE) for n in range(1, 9)))
    assert len({saved_reply.answer and saved_reply.answer.digest for saved_reply in saved}) == 1
    assert await replies.attempts(KEY) == dict.fromkeys(range(1, 9), FIVE)


async def test_a_saved_reply_is_there_after_a_restart(database: Database, reopened: Database) -> None:
    await RegisteredReplies(database).begin(order(KEY, 1), Generated)
    await RegisteredReplies(database).save(order(KEY, 1), reply("kept"), FIVE)
    await database.dispose()
    saved = await RegisteredReplies(reopened).begin(order(KEY, 2), Generated)
    assert saved == reply("kept").model_copy(update={"charges": {1: FIVE, 2: Spend()}})


async def test_the_texts_of_a_reply_are_stored_with_it(replies: PaidReplies, blobs: BlobStore) -> None:
    text = Text.of("told")
    await replies.begin(order(KEY, 1), Generated)
    await replies.save(order(KEY, 1), reply("told"), FIVE, [text])
    assert await blobs.get(KEY.tenant, text.digest) == b"told"


@given(st.lists(st.tuples(st.sampled_from(["begin", "save"]), st.integers(1, 4)), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_in_any_order_every_call_is_counted_once_and_the_first_reply_wins(
    replies: PaidReplies, calls: list[tuple[str, int]]
) -> None:
    key = KEY.model_copy(update={"run_id": uuid.uuid4().hex})
    winner: Generated | None = None
    expected: dict[int, Spend | None] = {}
    for call, attempt in calls:
        if call == "save" and attempt not in expected:
            with pytest.raises(UnknownKey):
                await replies.save(order(key, attempt), reply("never begun"), FIVE)
            continue
        if call == "begin":
            saved_reply = await replies.begin(order(key, attempt), Generated)
            if winner is None:
                expected.setdefault(attempt, None)
        else:
            saved_reply = await replies.save(
                order(key, attempt), reply(f"by {attempt}"), Spend(steps=1, micro_dollars=attempt)
            )
            winner = winner or reply(f"by {attempt}")
            expected[attempt] = Spend(steps=1, micro_dollars=attempt)
        charges = {number: charge for number, charge in expected.items() if charge is not None}
        if winner is None:
            assert saved_reply is None
        else:
            idle = {} if attempt in expected else {attempt: Spend()}
            assert saved_reply == winner.model_copy(update={"charges": charges | idle})
        assert list((await replies.attempts(key)).values()) == list(expected.values())
