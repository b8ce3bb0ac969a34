"""Reads a document as a whole."""

from typing import Annotated

from pydantic import Field

from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedPaths
from tools.base import Constrained, ToolArguments, ToolContext, ToolEffect, tool

LONGEST = 12_000
"""Characters that one call shows."""


class Reading(ToolArguments):
    """What to read."""

    document: Annotated[str, Constrained(AllowedPaths, required=False)] = Field(min_length=1, max_length=200)
    """The document's id, as search_knowledge shows it."""
    version: int | None = Field(default=None, ge=0)
    """An older version; leave it out for the one that applies today."""
    start: int = Field(default=0, ge=0)
    """The character to begin at, where a document is too long for one call."""


@tool(ToolEffect.READ_ONLY)
async def read_document(context: ToolContext, asked: Reading) -> str:
    """Read the whole text of one document by its id, with its title, version and date."""
    found = await context.knowledge.read(asked.document, asked.version)
    if asked.start > len(found.text):
        raise BadInput(f"start: {asked.start} is beyond the end: the document has {len(found.text)} characters")
    lines = [f"{found.title}\n{found.document}, version {found.version}"]
    if found.effective is not None:
        lines.append(f"In force from {found.effective.isoformat()}")
    if found.superseded_by is not None:
        document, version = found.superseded_by
        lines.append(f"Replaced: today {document}, version {version}, applies")
    end = asked.start + LONGEST
    lines.append(f"\n{found.text[asked.start : end]}")
    if end < len(found.text):
        lines.append(f"\n[{len(found.text) - end:,} characters follow: read on with start={end}]")
    return "\n".join(lines)
