"""A value that takes long to make: the first call makes it, once for the process."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Value = TypeVar("Value")

_MISSING = object()


class Lazy(Generic[Value]):
    """A value that the first call makes. If making it fails, the next call tries again."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: object = _MISSING

    @property
    def ready(self) -> bool:
        """Whether the value is made, so that a call returns at once."""
        return self._value is not _MISSING

    def __call__(self) -> Value:
        if not self.ready:
            with self._lock:
                if not self.ready:
                    self._value = self._make()
        return cast("Value", self._value)
