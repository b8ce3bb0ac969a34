"""Buying a step: no sequence of attempts, losses and replies can overspend or lose count."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.budget import LIMITS, Allowance, Budget, Spend
from workflows.state_machines.purchase import Buy, GiveUp, OverBudget, Purchase, next_step

NOW = datetime(2026, 1, 1, tzinfo=UTC)

amounts = st.integers(min_value=0, max_value=1000)
spends = st.builds(Spend, steps=st.just(1), input_tokens=amounts, output_tokens=amounts, micro_dollars=amounts)
budgets = st.builds(
    Budget,
    steps=st.integers(min_value=0, max_value=6),
    input_tokens=st.integers(min_value=0, max_value=4000),
    output_tokens=st.integers(min_value=0, max_value=4000),
    micro_dollars=st.integers(min_value=0, max_value=4000),
)
endings = st.lists(st.sampled_from(["lost", "free", "refused", "replied", "replied to the first"]), max_size=8)


def within(total: Spend, budget: Budget) -> bool:
    return all(getattr(total, limit) <= getattr(budget, limit) for limit in LIMITS)


@given(budgets, spends, endings, st.integers(min_value=1, max_value=5))
def test_settled_bill_and_reservations_stay_in_order_whatever_happens(
    budget: Budget, worst: Spend, what_happens: list[str], most: int
) -> None:
    purchase = Purchase(step="generate", allowance=Allowance(budget=budget), most_attempts=most)
    bill = Spend()
    for happens in what_happens:
        step = next_step(purchase, worst, NOW)
        if not isinstance(step, Buy):
            break
        purchase = step.purchase
        half = Spend(steps=1, input_tokens=worst.input_tokens // 2, micro_dollars=worst.micro_dollars // 2)
        match happens:
            case "lost":
                bill += worst
                purchase = purchase.failed("lost", free_of_charge=False, final=False)
            case "free":
                bill += Spend(steps=1)
                purchase = purchase.failed("free", free_of_charge=True, final=False)
            case "refused":
                bill += Spend(steps=1)
                purchase = purchase.failed("refused", free_of_charge=True, final=True)
            case "replied":
                bill += half
                purchase = purchase.settled({step.attempt: half})
            case _:
                # The saved reply of attempt 1 came back: it was billed when it was lost, this one bought nothing.
                purchase = purchase.settled({1: worst, step.attempt: Spend()} if step.attempt > 1 else {1: worst})
                bill += worst if step.attempt == 1 else Spend()
        settled, reserved = purchase.allowance.settled, purchase.allowance.reserved
        assert all(getattr(settled, limit) <= getattr(bill, limit) for limit in LIMITS)
        assert all(getattr(bill, limit) <= getattr(settled + reserved, limit) for limit in LIMITS)
        assert within(settled + reserved, budget)


@given(st.integers(min_value=1, max_value=10))
def test_it_gives_up_after_the_last_attempt_and_names_the_last_failure(most: int) -> None:
    purchase = Purchase(step="generate", allowance=Allowance(budget=Budget(steps=100)), most_attempts=most)
    for _ in range(most):
        step = next_step(purchase, Spend(steps=1), NOW)
        assert isinstance(step, Buy)
        purchase = step.purchase.failed("the model burped", free_of_charge=True, final=False)
    step = next_step(purchase, Spend(steps=1), NOW)
    assert isinstance(step, GiveUp)
    assert "the model burped" in step.reason


def test_a_final_failure_is_not_tried_again() -> None:
    purchase = Purchase(step="generate", allowance=Allowance(budget=Budget()), most_attempts=3)
    step = next_step(purchase, Spend(steps=1), NOW)
    assert isinstance(step, Buy)
    failed = step.purchase.failed("no such model", free_of_charge=True, final=True)
    assert next_step(failed, Spend(steps=1), NOW) == GiveUp("no such model")


def test_an_unknown_outcome_keeps_its_reservation_and_so_can_exhaust_the_budget() -> None:
    worst = Spend(steps=1, micro_dollars=600)
    purchase = Purchase(step="generate", allowance=Allowance(budget=Budget(micro_dollars=1000)), most_attempts=3)
    step = next_step(purchase, worst, NOW)
    assert isinstance(step, Buy)
    lost = step.purchase.failed("lost", free_of_charge=False, final=False)
    assert lost.allowance.reserved == worst
    assert next_step(lost, worst, NOW) == OverBudget("micro_dollars", worst)


def test_no_attempt_starts_after_the_deadline() -> None:
    allowance = Allowance(budget=Budget(until=NOW))
    purchase = Purchase(step="generate", allowance=allowance, most_attempts=3)
    assert next_step(purchase, Spend(steps=1), NOW) == OverBudget("until", Spend(steps=1))
    assert isinstance(next_step(purchase, Spend(steps=1), NOW - timedelta(seconds=1)), Buy)
