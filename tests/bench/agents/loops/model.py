"""The model call and the one tool of the loops: only httpx and the JSON of the protocol."""

import json
from typing import Any, Protocol

import httpx

from tests.bench.agents.loops.contracts import Call, Message
from tests.bench.texts import TOOL, note

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": TOOL,
            "description": "Read the note of this number.",
            "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
        },
    }
]


class Speaks(Protocol):
    """A way to call the model."""

    async def reply(self, messages: list[Message]) -> Message: ...

    async def close(self) -> None: ...


class Model:
    """A model behind HTTP, over one kept connection."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def reply(self, messages: list[Message]) -> Message:
        body = {"model": "stub", "messages": messages, "tools": TOOLS, "max_tokens": 200}
        response = await self._client.post("/chat/completions", json=body)
        response.raise_for_status()
        return response.json()["choices"][0]["message"]

    async def close(self) -> None:
        await self._client.aclose()


def calls_of(message: Message) -> list[Call]:
    """Return the tool calls that the model asks for."""
    calls: list[dict[str, Any]] = message.get("tool_calls") or []
    return [Call(id=call["id"], **call["function"]) for call in calls]


def call_tool(call: Call) -> Message:
    """Call the tool, and return its result as a message."""
    if call.name != TOOL:
        raise ValueError(f"there is no tool {call.name!r}")
    return {"role": "tool", "tool_call_id": call.id, "content": note(json.loads(call.arguments)["number"])}
