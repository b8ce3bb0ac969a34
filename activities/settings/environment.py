"""The environment of processes that are started, or that were forked and begin anew."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def replace_environment(variables: Mapping[str, str]) -> None:
    """Make these the only variables of this process, whatever it had."""
    os.environ.clear()
    os.environ.update(variables)


def environment_with(keeping: Sequence[str] | None = None, **extra: str) -> dict[str, str]:
    """Return this process's environment, or its variables in `keeping`, with more, for a process that it starts."""
    kept = os.environ if keeping is None else {name: os.environ[name] for name in keeping if name in os.environ}
    return {**kept, **extra}


def temporal_config_file() -> Path:
    """Return the file of Temporal's own configuration, whether it is there or not."""
    named = os.environ.get("TEMPORAL_CONFIG_FILE")
    if named:
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "temporalio" / "temporal.toml"
