"""External programs that some tests start: without one its tests are skipped, and fail under CI."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require(program: str, remedy: str) -> Path:
    """The program on this machine. Without it, end the test that asked: loudly skipped, or failed where CI=true."""
    found = shutil.which(program)
    if found is None:
        leave_out(f"{program} is not on this machine: {remedy}")
    return Path(found)


def leave_out(reason: str) -> NoReturn:
    """End the test that asked: loudly skipped, or failed where CI=true."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason}; CI skips nothing", pytrace=False)
    pytest.skip(reason)
