"""What only the shared state within one process promises: it does not grow for ever."""

from datetime import timedelta

from activities.adapters.shared.local_shared_state import SWEEP_FROM, LocalSharedState
from activities.ports import NO_TENANT, SharedKey


async def test_what_is_over_is_swept_and_what_is_not_is_kept() -> None:
    now = 0.0
    state = LocalSharedState(lambda: now)
    key = SharedKey(NO_TENANT, "fast", "kept")
    await state.put(key, b"x", timedelta(hours=1))
    for number in range(5 * SWEEP_FROM):
        now += 0.2
        await state.put(SharedKey(NO_TENANT, "fast", str(number)), b"x", timedelta(seconds=10))
    assert len(vars(state)["_values"]) <= SWEEP_FROM
    now = 3599
    assert await state.get(key) == b"x"
    now = 3600
    assert await state.get(key) is None
