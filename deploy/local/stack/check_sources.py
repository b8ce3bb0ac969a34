"""Checks tools, specs, schemas and the catalogue in a fresh process, before a worker is started with them.

`python -m deploy.local.stack.check_sources` prints one line of JSON: the mistakes that would keep a worker from
starting, and the mistakes in specs, which only stop the runs that name them.
"""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from activities import settings as tree
from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.adapters.own_folders.checks import require_specs
from activities.adapters.own_folders.tool_files import all_tools
from activities.ports import PortError
from activities.settings import ROOT, Settings
from agents.loader import BadSpec, Kind, Specs
from agents.schemas import Schemas
from deploy.processes.errors import DeployError

OUR_OWN = (ROOT / "tools" / "folder.py", Path(__file__))
"""The files in which no mistake of an author is."""


def check(settings: Settings) -> dict[str, list[str]]:
    """Return the mistakes, one line each: `fatal` for those that a worker cannot start with, and `specs`."""
    fatal: list[str] = []
    try:
        CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
    except PortError as error:
        fatal.append(str(error))
    try:
        require_specs(settings.paths)
        tools = all_tools(settings.paths)
    except PortError as error:
        return {"fatal": [*fatal, *str(error).splitlines()], "specs": []}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of a tool may raise anything while it is imported
        return {"fatal": [*fatal, explained(error)], "specs": []}
    return {"fatal": fatal, "specs": [*_mistakes_in_specs(settings, tools), *_mistakes_in_schemas(settings)]}


def explained(error: BaseException) -> str:
    """Return an error of a tool's code in one line: its file, its line, and what is wrong."""
    what = " ".join(str(error).split()) or "no message"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(Path(error.filename))}, line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) not in OUR_OWN and "importlib" not in frame.filename]
    where = f"{shown(Path(own[-1].filename))}, line {own[-1].lineno}: " if own else ""
    return f"{where}{type(error).__name__}: {what}"


def shown(path: Path) -> str:
    """Return a path as the user knows it: within the checkout without the checkout's own path."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _mistakes_in_specs(settings: Settings, tools: Mapping[str, Any]) -> Iterator[str]:
    specs = Specs(settings.paths.agent_folders, tools)
    chains, agents = specs.names(Kind.CHAIN), specs.names(Kind.AGENT)
    files = {path.stem for folder in settings.paths.agent_folders for path in folder.glob("*.toml")}
    unreadable = files - {*chains, *agents}
    yield from _refusals(specs.chain, [*chains, *sorted(unreadable)])
    yield from _refusals(specs.agent, agents)


def _mistakes_in_schemas(settings: Settings) -> Iterator[str]:
    schemas = Schemas(settings.paths.schema_folders)
    yield from _refusals(schemas.extraction, schemas.names())


def _refusals(read: Callable[[str], object], names: list[str]) -> Iterator[str]:
    for name in names:
        try:
            read(name)
        except BadSpec as error:
            yield str(error)
        except OSError as error:
            yield f"{name}: {error}"


def main() -> None:
    """Print the mistakes as a line of JSON."""
    settings = tree.load()
    try:
        found = check(settings)
    except DeployError as error:
        found = {"fatal": [str(error)], "specs": []}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
