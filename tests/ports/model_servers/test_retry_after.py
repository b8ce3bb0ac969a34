"""A server's hint about when to retry becomes a wait within bounds, or no wait; it never raises an error."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activities.adapters.model_servers.retry_after import LONGEST_WAIT, retry_after

NOW = datetime(2026, 11, 30, tzinfo=UTC)

NAMES = ["retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-reset"]

ODD = [
    "1e300", "-1e300", "99999999999999999", "-99999999999999999", "nan", "-nan", "inf", "-inf", "1e400", "9" * 5000,
    "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "9999-12-31T23:59:59-23:59", "Mon, 99 Foo",
    "0001-01-01T00:00:00+23:59", "Fri, 31 Dec 9999 23:59:59 +9999999999", f"{'9' * 400}h", "1e308d", "-1", "", "\x00",
]  # fmt: skip

MOMENTS = st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat)

VALUES = st.text() | st.floats().map(repr) | st.integers().map(str) | MOMENTS | st.sampled_from(ODD)


@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES))
@example(headers={"retry-after": "1e300"})
def test_a_wait_is_within_bounds_or_there_is_none(headers: dict[str, str]) -> None:
    wait = retry_after(headers, NOW)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ODD)
def test_no_odd_value_is_an_error(name: str, value: str) -> None:
    wait = retry_after({name: value}, NOW)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("1e300", LONGEST_WAIT),
        ("99999999999999999", LONGEST_WAIT),
        ("-5", timedelta(0)),
        ("nan", None),
        ("7", timedelta(seconds=7)),
        ("Mon, 01 Jan 0001 00:00:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
    ],
)
def test_far_is_the_longest_wait_and_past_is_none_at_all(value: str, wait: timedelta | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == wait


def test_a_limit_that_says_nothing_does_not_hide_one_that_does() -> None:
    headers = {"x-ratelimit-reset-requests": "nan", "x-ratelimit-reset-tokens": "6s"}
    assert retry_after(headers, NOW) == timedelta(seconds=6)
