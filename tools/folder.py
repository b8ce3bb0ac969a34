"""Every tool of this folder, found by its file."""

import importlib
import pkgutil
from typing import Any

import tools
from tools.base import Tool


def all_tools() -> dict[str, Tool[Any]]:
    """Every tool in this folder, by name."""
    found: dict[str, Tool[Any]] = {}
    for module in pkgutil.iter_modules(tools.__path__):
        if not module.name.startswith("__"):
            for value in vars(importlib.import_module(f"tools.{module.name}")).values():
                if isinstance(value, Tool):
                    found[value.name] = value
    return dict(sorted(found.items()))
