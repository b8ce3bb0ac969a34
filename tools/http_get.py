"""The tool that gets a page of the public web."""

from typing import Annotated

from pydantic import Field

from perdure.contracts.tool_calls.tools import AllowedHosts
from tools.base import Constrained, ToolArguments, ToolContext, ToolEffect, tool

LONGEST = 12_000
"""The most characters of a page that are shown."""


class Get(ToolArguments):
    """Which page."""

    url: Annotated[str, Constrained(AllowedHosts)] = Field(max_length=2000)
    """An https or http address on one of the allowed hosts."""


@tool(ToolEffect.READ_ONLY)
async def http_get(context: ToolContext, request: Get) -> str:
    """Get a page of the public web as readable text: HTML, plain text, Markdown or JSON."""
    page = await context.http.get(request.url, context.hosts("url"))
    cut = len(page.text) - LONGEST
    note = f"\n[{cut:,} more characters are not shown]" if cut > 0 else ""
    return f"{page.url} ({page.kind})\n\n{page.text[:LONGEST]}{note}"
