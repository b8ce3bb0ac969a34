"""Loads an author's own tools beside the shipped ones, as modules of `tools`, and reports each mistake in one line.

What is executed is the very text that was checked. Nothing is written into the folder.
"""

import ast
import importlib
import inspect
import keyword
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from activities.adapters.own_folders.checks import TOOLS, missing, require_none
from activities.adapters.own_folders.fence import breaches
from activities.settings.paths import SHIPPED_TOOLS, Paths
from tools.base import Tool
from tools.folder import all_tools as shipped_tools

HELPER = "_"
"""How the name of a file begins that has no tool, and that tools beside it import."""

LONGEST = 300
"""The most characters that are shown of an error's message."""


def all_tools(paths: Paths) -> dict[str, Tool[Any]]:
    """Return the shipped tools, where they stay, and those of the author's own folders, by name.

    Raises `NotConfigured` with a line for each mistake.
    """
    shipped = shipped_tools() if SHIPPED_TOOLS in paths.tool_folders else {}
    origins = {name: _file_of(tool) for name, tool in shipped.items()}
    problems: list[str] = [*missing(TOOLS, paths.tools)]
    files = _files(paths.tools, problems)
    sources = {path.stem: (path, source) for path in files if (source := _source(path, problems)) is not None}
    modules = {path.stem for path in (*SHIPPED_TOOLS.glob("*.py"), *files)}
    for path, source in sources.values():
        _check(path, source, modules, problems)
    require_none(problems)

    OwnModules.install(sources)
    found = dict(shipped)
    for stem, (path, _) in sources.items():
        if not stem.startswith(HELPER):
            _add(_tools_in(path, problems), path, found, origins, problems)
    require_none(problems)
    return dict(sorted(found.items()))


def _files(folders: Sequence[Path], problems: list[str]) -> list[Path]:
    """Return the Python files of the folders, each with a name of its own."""
    by_stem = {path.stem: path for path in SHIPPED_TOOLS.glob("*.py")}
    files: list[Path] = []
    for path in sorted(path for folder in folders if folder.is_dir() for path in folder.glob("*.py")):
        stem = path.stem
        if stem.startswith("__"):
            continue
        if not stem.isidentifier() or keyword.iskeyword(stem):
            problems.append(f"{path}: no module can have this name: use letters, digits and underscores, as in tide.py")
        elif stem in by_stem:
            problems.append(f"two files have the name {path.name!r}: {by_stem[stem]} and {path}: rename one")
        else:
            by_stem[stem] = path
            files.append(path)
    return files


def _source(path: Path, problems: list[str]) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}: check the file and its permissions")
        return None


def _check(path: Path, source: bytes, modules: set[str], problems: list[str]) -> None:
    """Note each reason why a file must not be executed."""
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        problems.append(f"{path}:{error.lineno or 1}: it is no Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes, and nesting beyond the parser's limits
        problems.append(f"{path}: it is no Python: {_flat(error)}")
    else:
        problems += [f"{path}:{line}: {breach}" for line, breach in breaches(tree, modules)]


def _tools_in(path: Path, problems: list[str]) -> list[Tool[Any]]:
    """Import a file and return its tools, without those that it imports from another file."""
    try:
        module = importlib.import_module(f"tools.{path.stem}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any error of an author's code is one line
        at = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        kind = "" if isinstance(error, TypeError) and str(error).startswith("tool ") else f"{type(error).__name__}: "
        problems.append(f"{path}:{at[-1] if at else 1}: {kind}{_flat(error)}")
        return []
    found: list[Tool[Any]] = []
    for value in vars(module).values():
        if isinstance(value, Tool):
            made = cast("Tool[Any]", value)
            if _is_of(made, path):
                found.append(made)
    if not found:
        problems.append(
            f"{path}: it has no tool: mark an async function with @tool(...), or begin the file's name with "
            f"{HELPER!r} if others import it"
        )
    return found


def _add(
    tools: Sequence[Tool[Any]],
    path: Path,
    found: dict[str, Tool[Any]],
    origins: dict[str, Path],
    problems: list[str],
) -> None:
    for tool in tools:
        if found.setdefault(tool.name, tool) is not tool:
            first = origins[tool.name]
            problems.append(
                f"two tools have the name {tool.name!r}: in {first} and in {path}: rename one, or leave the shipped "
                "ones out by PERDURE_PATHS__SHIPPED"
            )
        origins.setdefault(tool.name, path)


def _is_of(tool: Tool[Any], path: Path) -> bool:
    """Return whether a tool is this file's own: defined there, or made by a function of a helper."""
    module = tool.call.__module__
    return module == f"tools.{path.stem}" or module.startswith(f"tools.{HELPER}")


def _file_of(tool: Tool[Any]) -> Path:
    return Path(inspect.getfile(tool.call))


def _flat(error: BaseException) -> str:
    """Return the message of an error in one line."""
    return " ".join(str(error).split())[:LONGEST]


class OwnModules(MetaPathFinder):
    """Finds an author's files as modules of `tools`: `tools.tide` is the file `tide.py` of an own folder."""

    def __init__(self, sources: Mapping[str, tuple[Path, bytes]]) -> None:
        self._sources = {f"tools.{stem}": source for stem, source in sources.items()}

    @classmethod
    def install(cls, sources: Mapping[str, tuple[Path, bytes]]) -> None:
        """Make these files importable, in the place of those that were before."""
        for finder in [finder for finder in sys.meta_path if isinstance(finder, cls)]:
            sys.meta_path.remove(finder)
            for name in finder._sources:  # noqa: SLF001 - of the same class
                sys.modules.pop(name, None)
        if sources:
            sys.meta_path.insert(0, cls(sources))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname not in self._sources:
            return None
        return spec_from_file_location(fullname, self._sources[fullname][0], loader=_Checked(*self._sources[fullname]))


class _Checked(SourceLoader):
    """Loads the text that was checked, whatever the file has by now."""

    def __init__(self, path: Path, source: bytes) -> None:
        self._path = path
        self._source = source

    def get_filename(self, fullname: str) -> str:
        del fullname
        return str(self._path)

    def get_data(self, path: bytes | str) -> bytes:
        del path
        return self._source
