"""What every shared state promises."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from activities.ports import NO_TENANT, SharedKey, SharedState
from tests.support.waiting import until

KEY = SharedKey(NO_TENANT, "fast", "circuit")
LONG = timedelta(minutes=5)
SHORT = timedelta(milliseconds=50)

Views = tuple[SharedState, SharedState]


async def test_what_one_worker_says_another_hears(views: Views) -> None:
    here, there = views
    assert await there.get(KEY) is None
    await here.put(KEY, b"open", LONG)
    assert await there.get(KEY) == b"open"
    await there.put(KEY, b"closed", LONG)
    assert await here.get(KEY) == b"closed"


@pytest.mark.parametrize("value", [b"", b"\x00\xff\n", b"x" * 100_000])
async def test_any_bytes_are_kept_as_they_are(views: Views, value: bytes) -> None:
    here, there = views
    await here.put(KEY, value, LONG)
    assert await there.get(KEY) == value
    assert await there.swap(KEY, value, b"other", LONG)
    assert await here.get(KEY) == b"other"


async def test_a_value_goes_when_its_time_is_over(views: Views) -> None:
    here, there = views

    async def gone() -> bool:
        return await there.get(KEY) is None

    await here.put(KEY, b"open", SHORT)
    await until(gone, what="the value is gone", seconds=5)
    assert await here.swap(KEY, None, b"open", SHORT)
    await until(gone, what="the swapped value is gone", seconds=5)


async def test_a_value_that_is_set_again_has_its_new_time(views: Views) -> None:
    here, there = views
    other = replace(KEY, name="other")
    await here.put(KEY, b"open", SHORT)
    await here.put(KEY, b"open", LONG)
    await here.put(other, b"open", SHORT)
    assert await here.swap(other, b"open", b"half-open", LONG)
    short = replace(KEY, name="short")
    await here.put(short, b"x", SHORT)

    async def gone() -> bool:
        return await there.get(short) is None

    await until(gone, what="the short one is gone", seconds=5)
    assert [await there.get(key) for key in (KEY, other)] == [b"open", b"half-open"]


async def test_a_swap_needs_what_it_expects(views: Views) -> None:
    here, there = views
    assert not await here.swap(KEY, b"open", b"half-open", LONG)
    assert await here.get(KEY) is None
    assert await here.swap(KEY, None, b"open", LONG)
    assert not await there.swap(KEY, None, b"mine", LONG)
    assert not await there.swap(KEY, b"", b"mine", LONG)
    assert await there.get(KEY) == b"open"
    assert await there.swap(KEY, b"open", b"half-open", LONG)
    assert await here.get(KEY) == b"half-open"


async def test_of_many_that_swap_at_once_one_wins(views: Views) -> None:
    await views[0].put(KEY, b"open", LONG)
    swapped = await asyncio.gather(*(views[turn % 2].swap(KEY, b"open", b"half-open", LONG) for turn in range(40)))
    assert swapped.count(True) == 1


async def test_counting_by_swaps_loses_nothing(views: Views) -> None:
    async def count(state: SharedState) -> None:
        while True:
            now = await state.get(KEY)
            if await state.swap(KEY, now, b"%d" % (int(now or b"0") + 1), LONG):
                return

    await asyncio.gather(*(count(views[turn % 2]) for turn in range(30)))
    assert await views[0].get(KEY) == b"30"


@pytest.mark.parametrize("part", ["tenant", "subject", "name"])
async def test_another_tenant_subject_or_name_knows_nothing_of_it(views: Views, part: str) -> None:
    here, _ = views
    await here.put(KEY, b"open", LONG)
    other = replace(KEY, **{part: "other"})
    assert await here.get(other) is None
    assert await here.swap(other, None, b"closed", LONG)
    assert await here.get(KEY) == b"open"


async def test_no_key_is_another_whose_parts_are_cut_elsewhere(views: Views) -> None:
    here, _ = views
    await here.put(SharedKey("a:b", "c", "d"), b"one", LONG)
    await here.put(SharedKey("a", "b:c", "d"), b"two", LONG)
    assert await here.get(SharedKey("a:b", "c", "d")) == b"one"
