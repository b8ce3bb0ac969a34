"""Checks an author's own folders: whether they are there, and whether a name is used twice."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from activities.ports import NotConfigured
from activities.settings.paths import Paths
from agents.loader import Specs
from agents.schemas import Schemas

SPECS = "PERDURE_PATHS__AGENTS"
TOOLS = "PERDURE_PATHS__TOOLS"
SCHEMAS = "PERDURE_PATHS__SCHEMAS"


def require_specs(paths: Paths) -> None:
    """Raise `NotConfigured`, with a line for each mistake, unless every folder of specs and schemas can be used."""
    problems = [*missing(SPECS, paths.agents), *missing(SCHEMAS, paths.schemas)]
    if not problems:
        problems = [*Specs(paths.agent_folders).clashes(), *Schemas(paths.schema_folders).clashes()]
    require_none(problems)


def missing(setting: str, folders: Sequence[Path]) -> Iterator[str]:
    """Yield a line for each folder that a setting names and that cannot be listed."""
    for folder in folders:
        try:
            with os.scandir(folder):
                pass
        except OSError as error:
            yield f"{setting} names {str(folder)!r}, which is no folder that can be read ({error.strerror}): correct it"


def require_none(problems: Sequence[str]) -> None:
    """Raise `NotConfigured` with these lines, if there are any."""
    if problems:
        raise NotConfigured("\n".join(problems))
