"""The fence around a tool file outside of the checkout: what it may import and call, read from its source.

It is the fence that import-linter keeps around `tools/`, and as there it is made for mistakes: a tool is code that its
author trusts.
"""

import ast
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

MAY_IMPORT = ("tools", "perdure.contracts", "pydantic")
"""The packages that a tool may import, beside Python's own modules."""

REACH_THE_WORLD = frozenset(
    {
        "concurrent", "ctypes", "ftplib", "http", "io", "multiprocessing", "os", "pathlib", "shutil", "smtplib",
        "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "urllib",
    }
)  # fmt: skip
"""Python's own modules that reach files, processes or the network."""

NOT_CALLED = frozenset({"__import__", "eval", "exec", "input", "open"})
"""The functions by which a tool would get around the fence, or wait for a terminal."""

REMEDY = "what a tool needs of the world comes with its context, context.http and context.knowledge"


def breaches(tree: ast.Module, modules: AbstractSet[str]) -> Iterator[tuple[int, str]]:
    """Yield each breach of the fence, with its line. `modules` are the modules that `tools` has, by short name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _import(node.lineno, alias.name, modules)
            case ast.ImportFrom(level=level) if level > 1:
                yield node.lineno, "it imports from above its own folder: write the name from its top"
            case ast.ImportFrom(level=level, module=module, names=names):
                name = ".".join(part for part in ("tools" if level else "", module or "") if part)
                # `from tools import base` names modules; `from tools.base import tool` names what is in one.
                inner = [f"{name}.{alias.name}" for alias in names] if name == "tools" else [name]
                for each in inner:
                    yield from _import(node.lineno, each, modules)
            case ast.Call(func=ast.Name(id=name)) if name in NOT_CALLED:
                yield node.lineno, f"it calls {name}(): {REMEDY}"
            case _:
                pass


def _import(line: int, name: str, modules: AbstractSet[str]) -> Iterator[tuple[int, str]]:
    top, _, rest = name.partition(".")
    if top == "tools":
        if rest and rest not in modules:
            yield line, f"it imports {name!r}, and there is no such file: helpers lie in the folder of the tool"
    elif top.lstrip("_") in REACH_THE_WORLD:
        yield line, f"it imports {name!r}, which reaches the world by itself: {REMEDY}"
    elif top not in sys.stdlib_module_names and not any(f"{name}.".startswith(f"{each}.") for each in MAY_IMPORT):
        yield line, f"it imports {name!r}: a tool may import {', '.join(MAY_IMPORT)} and Python's own modules"
