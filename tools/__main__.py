"""Shows the tools, and tries one: `python -m tools`, `python -m tools calculator '{"expression": "2 + 2"}'`."""

import asyncio
import importlib
import json
import pkgutil
import sys
from typing import Any

import tools
from perdure.contracts.contract import BadInput
from tools.base import Tool, ToolContext


def all_tools() -> dict[str, Tool[Any]]:
    """Every tool in this folder, by name."""
    found: dict[str, Tool[Any]] = {}
    for module in pkgutil.iter_modules(tools.__path__):
        if not module.name.startswith("__"):
            for value in vars(importlib.import_module(f"tools.{module.name}")).values():
                if isinstance(value, Tool):
                    found[value.name] = value
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> str:
    """The lines to print. Raises `BadInput` for a tool or arguments that cannot be used."""
    known = all_tools()
    if not arguments:
        return "\n".join(f"{tool.name:<20} {tool.effect.value:<14} {tool.description}" for tool in known.values())
    name, *rest = arguments
    if name not in known:
        raise BadInput(f"there is no tool {name!r}: the tools are {', '.join(known)}")
    if not rest:
        return json.dumps(known[name].schema, indent=2)
    try:
        given = json.loads(rest[0])
    except json.JSONDecodeError as error:
        raise BadInput(f"arguments: not JSON ({error}): send an object like the schema's") from None
    if not isinstance(given, dict):
        raise BadInput(f"arguments: {rest[0]!r} is not a JSON object")
    context = ToolContext(tenant="default", run="by-hand", step="by-hand", key="by-hand")
    return asyncio.run(known[name].use(context, given))  # pyright: ignore[reportUnknownArgumentType] - JSON


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except BadInput as error:
        sys.exit(f"tools: {error}")
