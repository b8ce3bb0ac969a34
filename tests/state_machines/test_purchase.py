"""The purchase of a step: no sequence of attempts, losses and replies exceeds the budget or loses count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.budget import LIMITS, Allowance, Budget, Spend
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.fault import Remedy
from perdure.contracts.windows import WindowLimit, WindowShortage
from workflows.state_machines.outage import FIRST_PAUSE, LONGEST_PAUSE
from workflows.state_machines.purchase import (
    LONGEST_WAIT,
    Bind,
    Buy,
    GiveUp,
    OverBudget,
    Purchase,
    Step,
    Wait,
    next_step,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def deployment(name: str) -> Deployment:
    prices = Prices(input=1, output=1)
    return Deployment(name=name, tier="strong", task_queue=name, context_window=8192, prices=prices)


FIRST, SECOND_BEST = deployment("first"), deployment("second-best")


def purchase_of(most: int, first_wait: timedelta = timedelta(0)) -> Purchase:
    return Purchase(step="generate", deployment=FIRST, most_attempts=most, first_wait=first_wait)


def allowance_of(budget: Budget | None = None) -> Allowance:
    return Allowance(budget=budget or Budget(steps=100))


def bought(purchase: Purchase, allowance: Allowance, worst: Spend) -> tuple[Step, list[timedelta]]:
    """Return the next step that is neither a wait nor a choice, and the waits before it; there is one deployment."""
    waits: list[timedelta] = []
    while True:
        match next_step(purchase, allowance, worst, NOW):
            case Wait(duration, purchase):
                waits.append(duration)
            case Bind():
                purchase = purchase.bound(FIRST)
            case step:
                return step, waits


amounts = st.integers(min_value=0, max_value=1000)
spends = st.builds(Spend, steps=st.just(1), input_tokens=amounts, output_tokens=amounts, micro_dollars=amounts)
budgets = st.builds(
    Budget,
    steps=st.integers(min_value=0, max_value=6),
    input_tokens=st.integers(min_value=0, max_value=4000),
    output_tokens=st.integers(min_value=0, max_value=4000),
    micro_dollars=st.integers(min_value=0, max_value=4000),
)
endings = st.lists(
    st.sampled_from(["lost", "free", "refused", "stopped", "replied", "replied to the first"]), max_size=8
)


def within(total: Spend, budget: Budget) -> bool:
    return all(getattr(total, limit) <= getattr(budget, limit) for limit in LIMITS)


@given(budgets, spends, endings, st.integers(min_value=1, max_value=5))
def test_settled_bill_and_reservations_stay_in_order_whatever_happens(
    budget: Budget, worst: Spend, what_happens: list[str], most: int
) -> None:
    purchase, allowance = purchase_of(most), allowance_of(budget)
    bill = Spend()
    for happens in what_happens:
        step, _ = bought(purchase, allowance, worst)
        if not isinstance(step, Buy):
            break
        purchase, allowance = step.purchase, allowance.reserve(step.key, worst)
        half = Spend(steps=1, input_tokens=worst.input_tokens // 2, micro_dollars=worst.micro_dollars // 2)
        match happens:
            case "lost":
                bill += worst
                allowance = purchase.after_failure(allowance, free_of_charge=False)
                purchase = purchase.failed("lost")
            case "free":
                bill += Spend(steps=1)
                allowance = purchase.after_failure(allowance, free_of_charge=True)
                purchase = purchase.failed("free")
            case "refused":
                bill += Spend(steps=1)
                allowance = purchase.after_failure(allowance, free_of_charge=True)
                purchase = purchase.failed("refused", remedy=Remedy.GIVE_UP)
            case "stopped":
                bill += worst
                allowance = purchase.after_stop(allowance, {step.attempt: half})
            case "replied":
                bill += half
                allowance = purchase.after_reply(allowance, {step.attempt: half})
            case _:
                # The saved reply of attempt 1 came back: it was billed when it was lost, this attempt bought nothing.
                charges = {1: worst, step.attempt: Spend()} if step.attempt > 1 else {1: worst}
                allowance = purchase.after_reply(allowance, charges)
                bill += worst if step.attempt == 1 else Spend()
        settled, reserved = allowance.settled, allowance.reserved
        assert all(getattr(settled, limit) <= getattr(bill, limit) for limit in LIMITS)
        assert all(getattr(bill, limit) <= getattr(settled + reserved, limit) for limit in LIMITS)
        assert within(settled + reserved, budget)
        if happens in {"stopped", "replied", "replied to the first"}:
            break  # the purchase is over: nothing is bought under its key any more


@given(st.integers(min_value=1, max_value=10))
def test_it_gives_up_after_the_last_attempt_and_names_the_last_failure(most: int) -> None:
    purchase, allowance = purchase_of(most), allowance_of()
    for _ in range(most):
        step, _ = bought(purchase, allowance, Spend(steps=1))
        assert isinstance(step, Buy)
        purchase = step.purchase.failed("the model burped")
    step, _ = bought(purchase, allowance, Spend(steps=1))
    assert isinstance(step, GiveUp)
    assert "the model burped" in step.reason


def test_a_final_failure_is_not_tried_again() -> None:
    step = next_step(purchase_of(3), allowance_of(), Spend(steps=1), NOW)
    assert isinstance(step, Buy)
    failed = step.purchase.failed("no such model", remedy=Remedy.GIVE_UP)
    assert next_step(failed, allowance_of(), Spend(steps=1), NOW) == GiveUp("no such model")


def test_an_unknown_outcome_keeps_its_reservation_and_so_can_exhaust_the_budget() -> None:
    worst, allowance = Spend(steps=1, micro_dollars=600), allowance_of(Budget(micro_dollars=1000))
    step = next_step(purchase_of(3), allowance, worst, NOW)
    assert isinstance(step, Buy)
    lost = step.purchase.after_failure(allowance.reserve(step.key, worst), free_of_charge=False)
    assert lost.reserved == worst
    assert bought(step.purchase.failed("lost"), lost, worst)[0] == OverBudget("micro_dollars", worst)


def test_two_purchases_at_once_share_what_is_left() -> None:
    worst, allowance = Spend(steps=1, micro_dollars=600), allowance_of(Budget(micro_dollars=1000))
    one, other = purchase_of(3), replace(purchase_of(3), step="repair")
    step = next_step(one, allowance, worst, NOW)
    assert isinstance(step, Buy)
    reserved = allowance.reserve(step.key, worst)
    assert next_step(other, reserved, worst, NOW) == OverBudget("micro_dollars", worst)
    settled = step.purchase.after_reply(reserved, {1: Spend(steps=1, micro_dollars=10)})
    assert isinstance(next_step(other, settled, worst, NOW), Buy)


def test_a_call_that_was_called_off_settles_what_is_known_and_keeps_the_rest_reserved() -> None:
    worst = Spend(steps=1, input_tokens=100, output_tokens=50, micro_dollars=600)
    step = next_step(purchase_of(3), allowance_of(), worst, NOW)
    assert isinstance(step, Buy)
    charge = Spend(steps=1, input_tokens=80, output_tokens=7, micro_dollars=90)
    stopped = step.purchase.after_stop(allowance_of().reserve(step.key, worst), {1: charge})
    assert stopped.settled == charge
    assert stopped.settled + stopped.reserved == worst


def test_no_attempt_starts_after_the_deadline() -> None:
    allowance = allowance_of(Budget(until=NOW))
    assert next_step(purchase_of(3), allowance, Spend(steps=1), NOW) == OverBudget("until", Spend(steps=1))
    assert isinstance(next_step(purchase_of(3), allowance, Spend(steps=1), NOW - SECOND), Buy)


def test_nobody_waits_for_an_attempt_that_the_deadline_would_forbid() -> None:
    allowance = allowance_of(Budget(until=NOW + SECOND))
    step = next_step(purchase_of(3, first_wait=SECOND), allowance, Spend(steps=1), NOW)
    assert isinstance(step, Buy)
    failed = step.purchase.failed("overloaded")
    assert next_step(failed, allowance, Spend(steps=1), NOW) == OverBudget("until", Spend(steps=1))


def test_the_wait_doubles_up_to_a_limit() -> None:
    purchase = purchase_of(10, first_wait=SECOND)
    waited: list[timedelta] = []
    for _ in range(9):
        step, waits = bought(purchase, allowance_of(), Spend(steps=1))
        assert isinstance(step, Buy)
        waited += waits
        purchase = step.purchase.failed("overloaded")
    assert waited == [min(SECOND * 2**doubled, LONGEST_WAIT) for doubled in range(8)]


def test_a_server_that_asks_for_time_gets_it() -> None:
    step, _ = bought(purchase_of(3, first_wait=SECOND), allowance_of(), Spend(steps=1))
    assert isinstance(step, Buy)
    failed = step.purchase.failed("overloaded", retry_after=timedelta(seconds=7))
    assert bought(failed, allowance_of(), Spend(steps=1))[1] == [timedelta(seconds=7)]


def test_another_deployment_is_tried_at_once_and_the_same_one_after_a_wait() -> None:
    step, _ = bought(purchase_of(3, first_wait=SECOND), allowance_of(), Spend(steps=1))
    assert isinstance(step, Buy)
    failed = step.purchase.failed("nothing answers", remedy=Remedy.FALL_BACK)
    after = [next_step(each, allowance_of(), Spend(steps=1), NOW) for each in (failed, failed.bound(SECOND_BEST))]
    assert after[0] == Bind(("first",))
    assert isinstance(after[1], Buy)
    assert isinstance(next_step(failed.bound(FIRST), allowance_of(), Spend(steps=1), NOW), Wait)


def test_an_attempt_that_the_tenants_day_does_not_cover_ends_the_purchase_as_over_budget() -> None:
    worst = Spend(steps=1, micro_dollars=60)
    shortage = WindowShortage(
        tenant="acme",
        day=NOW.date(),
        limit="micro_dollars",
        most=100,
        needed=worst,
        settled=Spend(micro_dollars=50),
        reserved=Spend(),
        left=WindowLimit(micro_dollars=50),
    )
    step, _ = bought(purchase_of(3), allowance_of(), worst)
    assert isinstance(step, Buy)
    short = step.purchase.failed(shortage.reason, remedy=Remedy.GIVE_UP, window=shortage)
    assert next_step(short, allowance_of(), worst, NOW) == OverBudget("daily_micro_dollars", worst, shortage)


def spared(purchase: Purchase, now: datetime = NOW, **more: Any) -> Purchase:
    """Return the purchase after an attempt that found a dependency away."""
    step = next_step(purchase, allowance_of(), Spend(steps=1), now)
    assert isinstance(step, Buy), step
    return step.purchase.spared("away", now, **more)


@given(st.lists(st.sampled_from([Remedy.WAIT, Remedy.RETRY, Remedy.FALL_BACK, Remedy.CIRCUIT_OPEN]), max_size=60))
def test_what_is_away_is_waited_for_however_often_and_costs_nothing(remedies: list[Remedy]) -> None:
    purchase, allowance, worst = purchase_of(3, SECOND), allowance_of(Budget(steps=1)), Spend(steps=1)
    now, waited = NOW, timedelta(0)
    for remedy in remedies:
        while not isinstance(step := next_step(purchase, allowance, worst, now), Buy):
            match step:
                case Wait(duration, purchase):
                    assert duration <= LONGEST_PAUSE
                    now, waited = now + duration, waited + duration
                case Bind(excluding):
                    purchase = purchase.bound(next((d for d in (FIRST, SECOND_BEST) if d.name not in excluding), FIRST))
                case _:
                    raise AssertionError(step)
        reserved = allowance.reserve(step.key, worst)
        allowance = step.purchase.after_failure(reserved, free_of_charge=True, away=True)
        purchase = step.purchase.spared("away", now, remedy=remedy)
    assert (allowance.settled, allowance.reserved) == (Spend(), Spend())
    assert purchase.tries == 0
    assert waited >= SECOND * max(0, len(remedies) // 2 - 1), "two deployments are asked in a row, and then left alone"


def test_a_deployment_that_is_away_falls_back_at_once_and_a_tier_that_is_away_is_asked_anew_after_a_wait() -> None:
    first = spared(purchase_of(3, SECOND), remedy=Remedy.FALL_BACK)
    assert next_step(first, allowance_of(), Spend(steps=1), NOW) == Bind(("first",))
    second = spared(first.bound(SECOND_BEST), remedy=Remedy.FALL_BACK)
    assert next_step(second, allowance_of(), Spend(steps=1), NOW) == Bind(("first", "second-best"))
    wait = next_step(second.bound(FIRST), allowance_of(), Spend(steps=1), NOW)
    assert isinstance(wait, Wait)
    assert next_step(wait.purchase, allowance_of(), Spend(steps=1), NOW) == Bind(())


def test_one_that_is_overloaded_for_longer_than_there_are_tries_falls_back() -> None:
    purchase = purchase_of(3, SECOND)
    for _ in range(2):
        purchase = spared(purchase, remedy=Remedy.RETRY).waited().bound(FIRST)
    assert next_step(spared(purchase, remedy=Remedy.RETRY), allowance_of(), Spend(steps=1), NOW) == Bind(("first",))


def test_a_wait_for_what_is_away_ends_with_the_requests_time_after_one_last_attempt() -> None:
    purchase = replace(purchase_of(3), until=NOW + SECOND * 2.5)
    first = next_step(spared(purchase), allowance_of(), Spend(steps=1), NOW)
    assert isinstance(first, Wait)
    assert first.duration == FIRST_PAUSE
    again = next_step(spared(first.purchase.bound(FIRST), NOW + SECOND), allowance_of(), Spend(steps=1), NOW + SECOND)
    assert isinstance(again, Wait)
    assert again.duration == SECOND * 1.5, "no longer than there is time"
    end = NOW + SECOND * 2.5
    last = next_step(spared(again.purchase.bound(FIRST), end), allowance_of(), Spend(steps=1), end)
    assert last == GiveUp("away (it was waited for, for 0:00:02)")


def test_a_server_that_asks_for_more_time_than_there_is_ends_the_wait() -> None:
    purchase = replace(purchase_of(3), until=NOW + SECOND * 10)
    failed = spared(purchase, remedy=Remedy.RETRY, retry_after=SECOND * 11)
    assert isinstance(next_step(failed, allowance_of(), Spend(steps=1), NOW), GiveUp)
