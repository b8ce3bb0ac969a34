"""Finds passages in the documents."""

from pydantic import Field

from tools.base import ToolArguments, ToolContext, ToolEffect, tool

MOST = 8
"""Passages that one search shows."""


class Search(ToolArguments):
    """What to look for."""

    query: str = Field(min_length=1, max_length=500)
    """A question, or the words that its answer has."""
    passages: int = Field(default=5, ge=1, le=MOST)
    """How many to show, best first."""


@tool(ToolEffect.READ_ONLY)
async def search_knowledge(context: ToolContext, asked: Search) -> str:
    """Search the documents. Shows the best passages, numbered, each with its document's id, version and title."""
    found = await context.knowledge.search(asked.query, asked.passages)
    if not found:
        return "No passage was found: try other words."
    return "\n\n".join(
        f"[{number}] {one.document} (version {one.version}): {one.title}\n{one.text}"
        for number, one in enumerate(found, 1)
    )
