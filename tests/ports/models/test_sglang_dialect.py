"""What SGLang learns about the caller: request names that are no prefix of another, priorities that never preempt."""

from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.models.sglang_dialect import priority, request_name, salt
from activities.ports import Caller

PREEMPTS_FROM = 10
"""SGLang's default threshold: from this difference on, a running request is preempted."""


@given(st.integers(-3, 9), st.integers(-3, 9))
def test_who_is_more_urgent_goes_first_and_nobody_is_thrown_back(one: int, other: int) -> None:
    if one < other:
        assert priority(one) >= priority(other)
    assert abs(priority(one) - priority(other)) < PREEMPTS_FROM


def test_each_of_temporals_priorities_is_another() -> None:
    assert [priority(key) for key in (1, 2, 3, 4, 5)] == [8, 6, 4, 2, 0]


@given(st.lists(st.text("ab-1", min_size=1, max_size=6), min_size=2, max_size=6))
def test_no_requests_name_is_the_beginning_of_anothers(ids: list[str]) -> None:
    names = [request_name(Caller("acme", name)) for name in [*ids, ids[0]]]
    pairs = [(a, b) for place, a in enumerate(names) for b in [*names[:place], *names[place + 1 :]]]
    assert not any(b.startswith(a) for a, b in pairs)


@given(st.text(min_size=4), st.text(min_size=4))
def test_tenants_have_salts_of_their_own_that_do_not_name_them(one: str, other: str) -> None:
    assert (salt(one) == salt(other)) == (one == other)
    assert one not in salt(one) or all(letter in "0123456789abcdef" for letter in one)
