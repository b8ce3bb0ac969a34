"""What a killable process does: it takes one request after the other, calls the function that it names, and replies."""

import ctypes
import importlib
import json
import math
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from activities.adapters.foreign_work.frames import next_request, reply
from activities.adapters.foreign_work.limits import MEBIBYTE, Exceeded
from activities.adapters.foreign_work.short_slices import take_short_turns
from activities.ports import raised_at

LARGEST_FILE = 64 * MEBIBYTE
"""The largest file that it may write, in bytes."""
_DEATH_SIGNAL = 1
"""Linux's number of the option that names the signal at the parent's death."""


class _Progress:
    """The file for what the present work has done; none in a process that cannot be killed."""

    descriptor: int | None = None
    written = 0


def note(progress: bytes) -> None:
    """Note what the present work has done so far: the worker reads it where this process is killed, and only then."""
    if _Progress.descriptor is not None:
        _Progress.written += os.pwrite(_Progress.descriptor, progress, _Progress.written)


def serve(peer: socket.socket, progress: int, parent: int, niceness: int) -> NoReturn:
    """Work until nobody asks any more. Call it in the child process, right after the fork."""
    _Progress.descriptor = progress
    _bind_to(parent)
    os.nice(niceness)
    if not niceness:  # a question waits for it
        take_short_turns()
    with suppress(OSError):  # where the system has it: when memory is short, this process is the first to go
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # a library's warning may hold the foreign text
        os.dup2(null, standard)
    with suppress(OSError):  # the worker is gone, and so is this process soon
        while (asked := next_request(peer)) is not None:
            _answer(peer, *asked)
    os._exit(0)


def _bind_to(parent: int) -> None:
    """Die with the parent process, even in the middle of a call that never returns to Python."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _answer(peer: socket.socket, header: dict[str, Any], payload: bytes) -> None:
    _limit_processor(header["processor"])
    _Progress.written = 0
    try:
        result = named(header["function"])(header["arguments"], payload)
    except Exception as error:  # noqa: BLE001 - the worker makes a verdict or an outcome of any error
        error_report = {"error": type(error).__name__, "message": str(error), "where": raised_at(error)}
        reply(peer, returned=False, data=json.dumps(error_report).encode())
        return
    if len(result) > header["output"]:
        reply(peer, returned=False, data=json.dumps({"exceeded": Exceeded.OUTPUT}).encode())
    else:
        reply(peer, returned=True, data=result)


def _limit_processor(seconds: float) -> None:
    """Let the kernel end this process, should the worker be too busy to do it in time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


@cache
def named(function: str) -> Any:
    """Return a function by its module and name, `package.module:function`."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)
