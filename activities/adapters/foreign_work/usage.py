"""What a process has used so far: its memory, its processor time, and how long it was kept from the processor."""

import os
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_NANOSECONDS = 1e9
# The fields of `stat` after the name, which may hold spaces and ends with the last bracket.
_USER, _SYSTEM, _RESIDENT = 11, 12, 21


@dataclass(frozen=True)
class Usage:
    """What a process has used; zeros where it is gone."""

    memory: int = 0
    """Its resident memory, in bytes."""
    processor: float = 0.0
    """Its processor time, in seconds."""
    queued: float = 0.0
    """The seconds for which it could have run and others had the processor; 0 where the system does not count them."""


class ProcessUsage:
    """Looks at one process. Linux's files are held open, so a look takes microseconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._files: list[int] = []
        if _PROC.is_dir():
            with suppress(OSError):
                self._files += [os.open(_PROC / str(pid) / name, os.O_RDONLY) for name in ("stat", "schedstat")]
        self.close = weakref.finalize(self, _close, self._files)
        """Let go of its files."""

    def now(self) -> Usage:
        """Return what it has used until now."""
        if not self._files:
            return self._portable()
        try:
            stat, queue = (os.pread(file, 1024, 0) for file in self._files)
        except OSError:
            return Usage()
        fields, counts = stat.rpartition(b")")[2].split(), queue.split()
        if len(fields) <= _RESIDENT:
            return Usage()
        return Usage(
            memory=int(fields[_RESIDENT]) * _PAGE,
            processor=(int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS,
            queued=int(counts[1]) / _NANOSECONDS if len(counts) > 1 else 0.0,
        )

    def _portable(self) -> Usage:
        try:
            process = psutil.Process(self._pid)
            times = process.cpu_times()
            return Usage(process.memory_info().rss, times.user + times.system)
        except psutil.Error:
            return Usage()


def _close(files: list[int]) -> None:
    while files:
        os.close(files.pop())
