"""Loads every tool of this folder."""

import importlib
import pkgutil
from typing import Any

import tools
from tools.base import Tool


def all_tools() -> dict[str, Tool[Any]]:
    """Return every tool in this folder, by name; an author's own ones, in folders elsewhere, are not among them."""
    by_name: dict[str, Tool[Any]] = {}
    for module in pkgutil.iter_modules(tools.__path__):
        if not module.name.startswith("__"):
            for value in vars(importlib.import_module(f"tools.{module.name}")).values():
                if isinstance(value, Tool):
                    by_name[value.name] = value
    return dict(sorted(by_name.items()))
