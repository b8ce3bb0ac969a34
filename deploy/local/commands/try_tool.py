"""Calls a tool by hand with the context that it gets from the platform: what `perdure tool NAME '{...}'` does."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal, DecimalException
from typing import Any

from activities import settings as tree
from activities.adapters.own_folders.tool_files import all_tools
from activities.adapters.tool_contexts import context_maker
from activities.settings import Settings
from deploy.local.weights.embedder import embedder
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedAmount, AllowedHosts, AllowedPaths, Constraint
from tools.base import Tool
from tools.errors import NoAnswer


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


def known_tool(name: str) -> Tool[Any]:
    """Return the tool of this name. Raises `BadInput`."""
    known = all_tools(tree.load().paths)
    if name not in known:
        raise BadInput(f"there is no tool {name!r}: the tools are {', '.join(known)}")
    return known[name]


async def call(
    settings: Settings,
    tool: Tool[Any],
    arguments: dict[str, Any],
    constraints: dict[str, Constraint],
    *,
    key: str | None,
    tenant: str,
    collection: str,
) -> str:
    """Call the tool as a run would, and return its result. Raises `BadInput`, `ToolError`, `PortError`.

    `key` is the call's key; None for a new one.
    """
    from activities.adapters.stores.open import open_store

    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))

        make = context_maker(settings, lambda: store, lambda: embedder(settings))
        own_key = f"by-hand-{uuid.uuid4()}" if key is None else key
        context = make(tenant=tenant, run="by-hand", step="by-hand", key=own_key, collection=collection)
        try:
            async with asyncio.timeout(tool.timeout.total_seconds()):
                return await tool.use(context, arguments, constraints)
        except TimeoutError:
            raise NoAnswer(f"{tool.name} did not end within {tool.timeout}") from None
