"""`perdure tools` and `perdure tool`: list the tools, and call one by hand."""

import asyncio
import json
from typing import Annotated

import typer

from deploy.cli import options
from perdure.cli import options as shared
from perdure.cli.output import Output

COLUMNS = ("tool", "effect", "what it does")


def tools(*, as_json: shared.Json = False) -> None:
    """List the tools: the effect of each, and what it does."""
    from activities import settings as tree
    from activities.adapters.own_folders.tool_files import all_tools

    out, known = Output(as_json=as_json), all_tools(tree.load().paths)
    if as_json:
        out.json(
            [
                {"tool": name, "effect": one.effect.value, "description": one.description, "schema": one.schema}
                for name, one in known.items()
            ]
        )
        return
    out.rows(COLUMNS, ((name, one.effect.value, one.description.split("\n")[0]) for name, one in known.items()))


def tool(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tool.", show_default=False)],
    arguments: Annotated[
        str | None,
        typer.Argument(
            metavar="[ARGUMENTS]",
            help="A JSON object, or @FILE with one (default: print the schema).",
            show_default=False,
        ),
    ] = None,
    *,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="ARGUMENT=VALUE",
            help="What a grant would allow: a host, a path, or the largest amount; may be repeated.",
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The call's key (default: another one each time).")
    ] = None,
    tenant: options.Tenant = "default",
    collection: options.Collection = "handbook",
    as_json: shared.Json = False,
) -> None:
    """Call a tool by hand, with the documents, pages and services that a run would give it."""
    from activities.settings import load
    from deploy.local.commands import try_tool
    from perdure.cli.values import json_object

    out, chosen = Output(as_json=as_json), try_tool.known_tool(name)
    if arguments is None:
        out.answer(json.dumps(chosen.schema) if as_json else json.dumps(chosen.schema, indent=2))
        return
    constraints = try_tool.allowed(chosen, allow or [])
    given = json_object(arguments, "ARGUMENTS")
    called = try_tool.call(load(), chosen, given, constraints, key=key, tenant=tenant, collection=collection)
    result = asyncio.run(called)
    if as_json:
        out.json({"tool": name, "result": result})
    else:
        out.answer(result)
