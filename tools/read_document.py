"""The tool that reads the whole text of a document."""

from typing import Annotated

from pydantic import Field

from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedPaths
from tools.base import Constrained, ToolArguments, ToolContext, ToolEffect, tool

LONGEST = 12_000
"""The most characters that one call shows."""


class Reading(ToolArguments):
    """What to read."""

    document: Annotated[str, Constrained(AllowedPaths, required=False)] = Field(min_length=1, max_length=200)
    """The document's id, as search_knowledge shows it."""
    version: int | None = Field(default=None, ge=0)
    """An older version; leave it out for the one that applies today."""
    start: int = Field(default=0, ge=0)
    """The character to begin at, where a document is too long for one call."""


@tool(ToolEffect.READ_ONLY)
async def read_document(context: ToolContext, reading: Reading) -> str:
    """Read the whole text of one document by its id, with its title, version and date."""
    document = await context.knowledge.read(reading.document, reading.version)
    if reading.start > len(document.text):
        raise BadInput(f"start: {reading.start} is beyond the end: the document has {len(document.text)} characters")
    lines = [f"{document.title}\n{document.document}, version {document.version}"]
    if document.effective is not None:
        lines.append(f"In force from {document.effective.isoformat()}")
    if document.superseded_by is not None:
        replacement, newer = document.superseded_by
        lines.append(f"Replaced: today {replacement}, version {newer}, applies")
    end = reading.start + LONGEST
    lines.append(f"\n{document.text[reading.start : end]}")
    if end < len(document.text):
        lines.append(f"\n[{len(document.text) - end:,} characters follow: read on with start={end}]")
    return "\n".join(lines)
