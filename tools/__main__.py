"""Lists the tools, or calls one: `python -m tools`, `python -m tools calculator '{"expression": "2 + 2"}'`."""

import asyncio
import json
import sys

from perdure.contracts.contract import BadInput
from tools.base import ToolContext
from tools.errors import ToolError
from tools.folder import all_tools


def main(arguments: list[str]) -> str:
    """Return the lines to print. Raises `BadInput` for a tool or arguments that cannot be used."""
    known = all_tools()
    if not arguments:
        lines = {name: tool.description.splitlines()[0] for name, tool in known.items()}
        return "\n".join(f"{name:<20} {known[name].effect.value:<14} {line}" for name, line in lines.items())
    name, *rest = arguments
    if name not in known:
        raise BadInput(f"there is no tool {name!r}: the tools are {', '.join(known)}")
    if not rest:
        return json.dumps(known[name].schema, indent=2)
    try:
        call_arguments = json.loads(rest[0])
    except json.JSONDecodeError as error:
        raise BadInput(f"arguments: not JSON ({error}): send an object like the schema's") from None
    if not isinstance(call_arguments, dict):
        raise BadInput(f"arguments: {rest[0]!r} is not a JSON object")
    context = ToolContext(tenant="default", run="by-hand", step="by-hand", key="by-hand")
    # No constraints: a tool that needs a grant is tried with `python -m deploy.local tool`.
    return asyncio.run(known[name].use(context, call_arguments))  # pyright: ignore[reportUnknownArgumentType] - JSON


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except (BadInput, ToolError) as error:
        sys.exit(f"tools: {error}")
