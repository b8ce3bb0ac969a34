"""Work for killable processes that ends well, runs away or breaks, for tests."""

import ctypes
import re
import time
from typing import Any

from activities.adapters.foreign_work import child


def echo(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001 - the signature of all work
    """Return the bytes."""
    return data


def redos(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Run a regular expression that never releases the interpreter's lock, for longer than anybody lives."""
    re.match(r"(a+)+$", "a" * 60 + "!")
    return b""


def eat(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Take memory until killed."""
    taken: list[bytearray] = []
    while True:
        taken.append(bytearray(b"x" * (8 << 20)))
        time.sleep(0.001)


def sleep(arguments: dict[str, Any], data: bytes) -> bytes:
    """Wait without using the processor."""
    time.sleep(arguments.get("seconds", 3600))
    return data


def long(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Return many bytes."""
    return b"x" * (4 << 20)


def crash(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Read an address that is not there, as a fault in a library would."""
    ctypes.string_at(0)
    return b""


def fail(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Raise an error."""
    raise ValueError(data.decode())


def note(arguments: dict[str, Any], data: bytes) -> bytes:  # noqa: ARG001
    """Note two lines, and end well."""
    child.note(b"one\n")
    child.note(b"two\n")
    return data


def note_and_eat(arguments: dict[str, Any], data: bytes) -> bytes:
    """Note two lines, and take memory until killed."""
    note(arguments, data)
    return eat(arguments, data)


def note_and_crash(arguments: dict[str, Any], data: bytes) -> bytes:
    """Note two lines, and read an address that is not there."""
    note(arguments, data)
    return crash(arguments, data)
