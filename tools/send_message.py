"""The tool that sends a message through the desk, which sends one more for every request that it gets."""

from datetime import timedelta

from pydantic import Field

from tools.answers import field_of, list_of
from tools.base import Approval, DidHappen, Evidence, NeverWill, ToolArguments, ToolContext, ToolEffect, tool


class Message(ToolArguments):
    """What to send to whom."""

    to: str = Field(min_length=1, max_length=200)
    """The person or the team that gets it."""
    text: str = Field(min_length=1, max_length=4000)
    """The message."""


async def sent(context: ToolContext) -> Evidence:
    """Return the evidence about the message with this key, after the desk agreed to refuse this and earlier attempts.

    A message that is not there may still be on its way, so the desk is told first to refuse it when it arrives.
    """
    refused_from_now = await context.http.call("desk", "DELETE", _path(context), key=context.key)
    messages = list_of(refused_from_now, "messages")
    return DidHappen(_sentence(field_of(messages[0], "id"))) if messages else NeverWill()


@tool(ToolEffect.AT_MOST_ONCE, approval=Approval.ALWAYS, reconcile=sent, settles_within=timedelta(0))
async def send_message(context: ToolContext, message: Message) -> str:
    """Send a message to a person or a team. It cannot be taken back, so a person agrees to it first."""
    answer = await context.http.call(
        "desk", "POST", _path(context), {"to": message.to, "text": message.text}, key=context.key
    )
    return _sentence(field_of(answer, "id"))


def _path(context: ToolContext) -> str:
    return f"/messages?attempt={context.attempt}"


def _sentence(number: str) -> str:
    return f"The message {number} is sent."
