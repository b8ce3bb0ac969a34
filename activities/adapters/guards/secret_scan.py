"""Scans a text with detect-secrets, under settings that stand for the whole process: making them costs more."""

import atexit
import os
import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import cache

from detect_secrets.core import scan
from detect_secrets.settings import default_settings, get_settings

_ALLOWED_LINES = "detect_secrets.filters.allowlist.is_line_allowlisted"
"""The filter that lets a line pass which says so of itself, in a comment. Whoever writes the text could say so."""
_scanning = threading.Lock()


def holds_secret(text: str) -> bool:
    """Return whether the library finds a secret in the text. One call at a time, since its settings are global."""
    with _scanning:
        _standing_settings()
        with _named_file(text.encode("utf-8", "replace")) as name:
            return next(scan.scan_file(name), None) is not None


@cache
def _standing_settings() -> ExitStack:
    """Turn on all of the library's detectors, until this process ends."""
    standing = ExitStack()
    standing.enter_context(default_settings())
    get_settings().disable_filters(_ALLOWED_LINES)
    atexit.register(standing.close)  # it imports when it is closed, which an interpreter that has ended cannot
    return standing


@contextmanager
def _named_file(data: bytes) -> Generator[str]:
    """Give the library a name to open. Where the system can, the text is only in memory: a kill leaves no file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("text", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile(prefix="perdure-", suffix=".txt") as file:
            file.write(data)
            file.flush()
            yield file.name
