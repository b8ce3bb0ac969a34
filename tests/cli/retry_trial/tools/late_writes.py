"""Tools that write at the desk."""

from tools.base import ToolArguments, ToolContext, ToolEffect, tool


class Note(ToolArguments):
    """What to write, and for which run."""

    run: str
    """The run's name."""


@tool(ToolEffect.IDEMPOTENT)
async def file_ticket(context: ToolContext, note: Note) -> str:
    """Open a ticket, and a second time with the same key change nothing."""
    await context.http.call("desk", "POST", "/tickets", {"title": note.run, "text": context.step}, key=context.key)
    return "It is filed."


@tool(ToolEffect.AT_MOST_ONCE)
async def post_notice(context: ToolContext, note: Note) -> str:
    """Send a message, and again each time that it is called. Nobody can be asked afterwards whether it was sent."""
    await context.http.call("desk", "POST", "/messages", {"to": note.run, "text": context.step}, key=context.key)
    return "It is posted."
