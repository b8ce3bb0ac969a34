"""Sends a message through the desk, which sends it again each time that it is asked."""

from pydantic import Field

from tools.answers import field_of, list_of
from tools.base import Approval, ToolArguments, ToolContext, ToolEffect, tool


class Message(ToolArguments):
    """What to send to whom."""

    to: str = Field(min_length=1, max_length=200)
    """The person or the team that gets it."""
    text: str = Field(min_length=1, max_length=4000)
    """The message."""


async def sent(context: ToolContext) -> str | None:
    """What the desk says of the message with this key."""
    messages = list_of(await context.http.call("desk", "GET", "/messages", key=context.key), "messages")
    return _said(field_of(messages[0], "id")) if messages else None


@tool(ToolEffect.AT_MOST_ONCE, approval=Approval.ALWAYS, reconcile=sent)
async def send_message(context: ToolContext, message: Message) -> str:
    """Send a message to a person or a team. It cannot be taken back, so a person agrees to it first."""
    answer = await context.http.call(
        "desk", "POST", "/messages", {"to": message.to, "text": message.text}, key=context.key
    )
    return _said(field_of(answer, "id"))


def _said(number: str) -> str:
    return f"The message {number} is sent."
