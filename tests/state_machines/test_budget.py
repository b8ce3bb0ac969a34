"""A budget reserves each cost once, lends parts to children that return the rest, and is never exceeded."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.budget import LIMITS, Allowance, Budget, Spend
from tests.state_machines.trials.budget_trial import Trial

NOW = datetime(2026, 1, 1, tzinfo=UTC)

amounts = st.integers(min_value=0, max_value=100)
spends = st.builds(Spend, steps=amounts, tool_calls=amounts, input_tokens=amounts, micro_dollars=amounts)
budgets = st.builds(Budget, steps=amounts, tool_calls=amounts, input_tokens=amounts, micro_dollars=amounts)


@pytest.mark.parametrize("seed", range(100))
def test_a_run_never_overshoots_and_uses_what_it_may(seed: int) -> None:
    ended = Trial(seed).run()
    assert ended.attempts > 20
    assert ended.utilisation >= 0.9


@given(budgets, st.lists(spends, max_size=6))
def test_what_is_afforded_is_what_remains(budget: Budget, worsts: list[Spend]) -> None:
    allowance = Allowance(budget=budget)
    for number, worst in enumerate(worsts):
        fits = all(getattr(worst, limit) <= getattr(allowance.remaining, limit) for limit in LIMITS)
        assert (allowance.shortfall(worst, NOW) is None) == fits
        if fits:
            remaining = allowance.remaining
            allowance = allowance.reserve(str(number), worst)
            assert allowance.remaining + worst == remaining


@given(budgets, spends)
def test_adding_nothing_changes_nothing_and_order_does_not_matter(budget: Budget, spend: Spend) -> None:
    other = Spend(steps=budget.steps, micro_dollars=budget.micro_dollars)
    assert spend + Spend() == spend
    assert spend + other == other + spend


def test_a_child_returns_what_it_did_not_use_and_leaves_reserved_what_nobody_knows() -> None:
    allowance = Allowance(budget=Budget(micro_dollars=100)).reserve("child", Spend(micro_dollars=60))
    after = allowance.give_back("child", Spend(micro_dollars=20), Spend(micro_dollars=10))
    assert (after.settled.micro_dollars, after.reserved.micro_dollars, after.remaining.micro_dollars) == (20, 10, 70)
    assert after.open == {"child": Spend(micro_dollars=10)}


def test_a_child_that_used_more_than_its_part_is_an_error_and_settles_nothing() -> None:
    allowance = Allowance(budget=Budget()).reserve("child", Spend(micro_dollars=60))
    with pytest.raises(ValueError, match="'child' used more of micro_dollars than its part"):
        allowance.give_back("child", Spend(micro_dollars=50), Spend(micro_dollars=11))


def test_a_childs_budget_is_its_part_until_its_parents_deadline() -> None:
    budget = Budget(until=NOW + timedelta(hours=1)).of(Spend(steps=2, micro_dollars=5))
    assert budget == Budget(
        steps=2, tool_calls=0, input_tokens=0, output_tokens=0, micro_dollars=5, until=NOW + timedelta(hours=1)
    )
