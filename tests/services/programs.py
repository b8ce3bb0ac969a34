"""Programs of other people that some tests start: where one is missing its tests are skipped, and fail under CI."""

import os
import shutil
from pathlib import Path

import pytest


def require(program: str, remedy: str) -> Path:
    """The program on this machine. Without it, end the test that asked: loudly skipped, or failed where CI=true."""
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    reason = f"{program} is not on this machine: {remedy}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason}; CI skips nothing", pytrace=False)
    pytest.skip(reason)
