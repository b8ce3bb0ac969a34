"""The tool that reserves a boat."""

from datetime import date

from pydantic import Field

from tools.answers import field_of
from tools.base import Approval, ToolArguments, ToolContext, ToolEffect, tool


class Reservation(ToolArguments):
    """Which boat, when, and for whom."""

    boat: str = Field(min_length=1, max_length=80)
    """The boat's name."""
    day: date
    """The day, as in 2027-05-01."""
    member: str = Field(min_length=1, max_length=80)
    """The member who will row."""


# Idempotent: the service does nothing more for a key that it has seen. Each call waits for a person.
@tool(ToolEffect.IDEMPOTENT, approval=Approval.ALWAYS)
async def reserve_boat(context: ToolContext, asked: Reservation) -> str:
    """Reserve a boat for a member, for one day. Returns the number of the reservation."""
    request = {"title": f"Reserve the {asked.boat}", "text": f"For {asked.member}, on {asked.day.isoformat()}."}
    # "desk" is the service of tickets that the embedded stack has. Name your own in PERDURE_TOOLS__SERVICES.
    reserved = await context.http.call("desk", "POST", "/tickets", request, key=context.key)
    return f"The {asked.boat} is reserved for {asked.member} on {asked.day.isoformat()}: {field_of(reserved, 'id')}."
