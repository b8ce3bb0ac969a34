"""The limits of work over foreign text."""

import os
from datetime import timedelta

from pydantic import Field

from activities.settings.groups import Group

SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The environment of a process that others are forked from: threads of numeric libraries do not survive a fork."""


class ForeignWork(Group):
    """The processes that run guards and read documents. What exceeds a limit is killed and not tried again."""

    processes: int = Field(default=max(2, min(4, os.cpu_count() or 1)), ge=1)
    """The most processes that check texts at the same time, and again the most that read documents."""
    memory_mib: int = Field(default=512, ge=64)
    """The memory by which one process may grow, in MiB."""
    output_mib: int = Field(default=16, ge=1, le=512)
    """The longest text of one document, in MiB."""
    document_seconds: float = Field(default=20, gt=0)
    """The processor time to read one document, in seconds; twice as much by the wall clock."""
    page_seconds: float = Field(default=6, gt=0)
    """The processor time to read one page of the web, in seconds; twice as much by the wall clock."""
    waiting: int = Field(default=200, ge=1)
    """The most documents, and again the most texts, that wait for a process; a further one is refused."""
    remembered: timedelta = Field(default=timedelta(hours=1), gt=timedelta(0))
    """How long a text or document that exceeded a limit is refused at once; `PT1H` or seconds."""
