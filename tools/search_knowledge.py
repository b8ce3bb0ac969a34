"""The tool that finds passages in the documents."""

from pydantic import Field

from tools.base import ToolArguments, ToolContext, ToolEffect, tool

MOST = 8
"""The most passages that one search shows."""


class Search(ToolArguments):
    """What to look for."""

    query: str = Field(min_length=1, max_length=500)
    """A question, or the words that its answer has."""
    passages: int = Field(default=5, ge=1, le=MOST)
    """How many to show, best first."""


@tool(ToolEffect.READ_ONLY)
async def search_knowledge(context: ToolContext, search: Search) -> str:
    """Search the documents. Shows the best passages, numbered, each with its document's id, version and title."""
    passages = await context.knowledge.search(search.query, search.passages)
    if not passages:
        return "No passage was found: try other words."
    return "\n\n".join(
        f"[{number}] {passage.document} (version {passage.version}): {passage.title}\n{passage.text}"
        for number, passage in enumerate(passages, 1)
    )
