"""Inputs and outputs of the loops' activities: plain pydantic models, messages as the model's protocol has them."""

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


class NewMessage(BaseModel):
    message: Message


class Head(BaseModel):
    """The digest of the newest message of a stored conversation; it identifies all earlier ones."""

    digest: str


class Move(BaseModel):
    """The model's reply, and the head of the conversation with it."""

    head: Head
    calls: list[Call]
    text: str | None


class Make(BaseModel):
    head: Head
    call: Call
