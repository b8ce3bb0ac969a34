"""Calls a tool by hand with the context that it gets from the platform: `python -m deploy.local tool NAME '{...}'`."""

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal, DecimalException
from typing import Any

from activities import settings as tree
from activities.adapters.own_folders.tool_files import all_tools
from activities.adapters.tool_contexts import context_maker
from activities.ports import PortError
from activities.settings import Settings
from deploy.local.weights.embedder import embedder
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedAmount, AllowedHosts, AllowedPaths, Constraint
from tools.base import Tool
from tools.errors import ToolError


def main(arguments: Sequence[str]) -> int:
    """Run the command with its arguments; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local tool", description=(__doc__ or "").split(":")[0])
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("arguments", nargs="?", metavar="ARGUMENTS", help="a JSON object; the schema if left out")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="ARGUMENT=VALUE",
        help="what a grant would allow: a host, a path, or the largest amount; may be given several times",
    )
    parser.add_argument(
        "--key", default=f"by-hand-{uuid.uuid4()}", help="the call's key; another one each time if left out"
    )
    parser.add_argument("--tenant", default="default")
    parser.add_argument("--collection", default="handbook")
    options = parser.parse_args(arguments)
    try:
        tool = _known_tool(options.name)
        if options.arguments is None:
            print(json.dumps(tool.schema, indent=2))
            return 0
        constraints = allowed(tool, options.allow)
        call_arguments = _object(options.arguments)
        print(asyncio.run(_call(tree.load(), tool, call_arguments, constraints, options)))
    except (BadInput, ToolError, PortError) as error:
        print(f"perdure: {error}", file=sys.stderr)
        return 1
    except TimeoutError:
        print(f"perdure: {options.name} did not end within {_known_tool(options.name).timeout}", file=sys.stderr)
        return 1
    return 0


def allowed(tool: Tool[Any], pairs: Sequence[str]) -> dict[str, Constraint]:
    """Return the constraints that `ARGUMENT=VALUE` pairs make for a tool. Raises `BadInput`."""
    values: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in tool.constrained:
            known = ", ".join(f"{name}=" for name in tool.constrained) or "nothing: its arguments take no constraint"
            raise BadInput(f"--allow {pair}: {tool.name} takes {known}")
        values.setdefault(name, []).append(value)
    return {name: _constraint(tool, name, tuple(granted)) for name, granted in values.items()}


def _constraint(tool: Tool[Any], name: str, values: tuple[str, ...]) -> Constraint:
    kind = tool.constrained[name].kind
    if kind is AllowedHosts:
        return AllowedHosts(hosts=values)
    if kind is AllowedPaths:
        return AllowedPaths(under=values)
    try:
        return AllowedAmount(most=max(Decimal(value) for value in values))
    except (DecimalException, ValueError):
        raise BadInput(f"--allow {name}: {', '.join(values)} is no amount: write a number") from None


def _known_tool(name: str) -> Tool[Any]:
    known = all_tools(tree.load().paths)
    if name not in known:
        raise BadInput(f"there is no tool {name!r}: the tools are {', '.join(known)}")
    return known[name]


def _object(arguments: str) -> dict[str, Any]:
    try:
        parsed: object = json.loads(arguments)
    except ValueError as error:
        raise BadInput(f"arguments: not JSON ({error}): send an object like the schema's") from None
    if not isinstance(parsed, dict):
        raise BadInput(f"arguments: {arguments!r} is not a JSON object")
    return {str(name): value for name, value in parsed.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


async def _call(
    settings: Settings,
    tool: Tool[Any],
    arguments: dict[str, Any],
    constraints: dict[str, Constraint],
    options: argparse.Namespace,
) -> str:
    """Call the tool with the context that the options describe; return its result."""
    from activities.adapters.stores.open import open_store

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))

        make = context_maker(settings, lambda: store, lambda: embedder(settings))
        context = make(
            tenant=options.tenant, run="by-hand", step="by-hand", key=options.key, collection=options.collection
        )
        async with asyncio.timeout(tool.timeout.total_seconds()):
            return await tool.use(context, arguments, constraints)
