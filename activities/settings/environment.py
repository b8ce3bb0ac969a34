"""The environment of a process that was forked and begins anew."""

import os
from collections.abc import Mapping


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only variables of this process, whatever it had."""
    os.environ.clear()
    os.environ.update(variables)
