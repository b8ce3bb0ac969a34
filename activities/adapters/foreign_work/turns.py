"""Decides whose work is next: callers take turns, and where asked one caller has one piece of work at a time."""

import asyncio
from collections import Counter, deque

from activities.adapters.foreign_work.limits import Busy


class Turns:
    """A bounded queue with a number of places, for use from one event loop.

    Callers with waiting work take turns, so that one with a hundred documents does not stand before another with one.
    """

    def __init__(self, places: int, *, waiting: int, one_each: bool) -> None:
        """`waiting`: the most that wait. `one_each`: a caller holds at most one place, unless its name is empty."""
        self._free = places
        self._most = waiting
        self._one_each = one_each
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._holding: Counter[str] = Counter()

    def taken_at_once(self, caller: str) -> bool:
        """Take a place where one is free and nobody waits, and return whether it is taken; `release` gives it back."""
        if not self._free or self._waiting or (self._one_each and caller and self._holding[caller]):
            return False
        self._free -= 1
        self._holding[caller] += 1
        return True

    async def take(self, caller: str) -> None:
        """Wait for a place; `release` gives it back. Raises `Busy` at once where too many wait."""
        if sum(map(len, self._waiting.values())) >= self._most:
            raise Busy(f"{self._most} others wait already")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(place)
        self._give()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._forget(caller, place)
            else:  # it was given in the moment of the cancellation
                self.release(caller)
            raise

    def release(self, caller: str) -> None:
        """Give a place back to whoever is next."""
        self._free += 1
        self._holding[caller] -= 1
        if not self._holding[caller]:
            del self._holding[caller]
        self._give()

    def _give(self) -> None:
        for caller in list(self._waiting):
            if not self._free:
                return
            if self._one_each and caller and self._holding[caller]:
                continue
            places = self._waiting.pop(caller)
            place = places.popleft()
            if places:
                self._waiting[caller] = places  # behind all the others
            self._free -= 1
            self._holding[caller] += 1
            place.set_result(None)

    def _forget(self, caller: str, place: asyncio.Future[None]) -> None:
        places = self._waiting.get(caller)
        if places is not None:
            places.remove(place)
            if not places:
                del self._waiting[caller]
