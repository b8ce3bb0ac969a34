"""The tool that opens a ticket at the desk."""

from pydantic import Field

from tools.answers import field_of
from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Ticket(ToolArguments):
    """What the ticket says."""

    title: str = Field(min_length=1, max_length=200)
    """What is the matter, in a few words."""
    text: str = Field(min_length=1, max_length=8000)
    """All that somebody needs to know who has to see to it."""


@tool(ToolEffect.IDEMPOTENT)
async def create_ticket(context: ToolContext, ticket: Ticket) -> str:
    """Open a ticket for the people at the desk, who will see to it. Returns the ticket's number."""
    opened = await context.http.call(
        "desk", "POST", "/tickets", {"title": ticket.title, "text": ticket.text}, key=context.key
    )
    return f"The ticket {field_of(opened, 'id')} is open."
