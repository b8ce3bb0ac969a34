"""Something that takes long to make: made once for the process, by whoever asks first."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Thing = TypeVar("Thing")

_UNMADE = object()


class Loaded(Generic[Thing]):
    """A thing that is made when it is first asked for. One that could not be made is tried again at the next call."""

    def __init__(self, make: Callable[[], Thing]) -> None:
        self._make = make
        self._one_at_a_time = threading.Lock()
        self._thing: object = _UNMADE

    @property
    def ready(self) -> bool:
        """Whether it is made, so that a call returns at once."""
        return self._thing is not _UNMADE

    def __call__(self) -> Thing:
        if not self.ready:
            with self._one_at_a_time:
                if not self.ready:
                    self._thing = self._make()
        return cast("Thing", self._thing)
