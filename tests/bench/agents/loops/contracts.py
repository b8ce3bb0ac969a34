"""What the two loops' activities take and give: plain pydantic models, messages as the model's protocol writes them."""

from typing import Any

from pydantic import BaseModel

QUEUE = "loops"

Message = dict[str, Any]


class Task(BaseModel):
    text: str


class Call(BaseModel):
    id: str
    name: str
    arguments: str


class Answer(BaseModel):
    text: str


class Conversation(BaseModel):
    """All messages so far."""

    messages: list[Message]


class Said(BaseModel):
    message: Message


class Head(BaseModel):
    """The newest message of a conversation that lies in the store: it stands for all before it."""

    digest: str


class Move(BaseModel):
    """What the model chose, and the conversation with it."""

    head: Head
    calls: list[Call]
    text: str | None


class Make(BaseModel):
    head: Head
    call: Call
