"""Reads events and whole replies in Anthropic's protocol, as Anthropic writes it and as LiteLLM asks for it."""

from activities.adapters.model_replies.parts import CallPiece, Parts
from activities.adapters.model_replies.shapes import Fields, json_text, label, mapping, position, sequence, text

EVENTS = (
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "message",
    "message_start",
    "message_delta",
    "message_stop",
    "ping",
)
"""The types of its events, and of its whole replies."""

ANSWER_TOOL = "json_tool_call"
"""The tool by which LiteLLM asks a model without JSON schemas for JSON. Its arguments are the text of the answer."""


class AnthropicEvents:
    """Reads the events of one reply: later pieces of a block mean what its first event says."""

    def __init__(self) -> None:
        self._answers: set[int | None] = set()
        """The blocks that hold the answer as a call of `ANSWER_TOOL`."""

    def read(self, event: Fields, parts: Parts) -> None:
        """Add an event's parts. Raises `TypeError` for a shape that is not the protocol's."""
        match event.get("type"):
            case "message_start":
                self._read_message(mapping(event.get("message")), parts)
            case "message":
                self._read_message(event, parts)
            case "content_block_start":
                self._read_block(position(event.get("index")), mapping(event.get("content_block")), parts, whole=False)
            case "content_block_delta":
                self._read_delta(position(event.get("index")), mapping(event.get("delta")), parts)
            case "message_delta":
                parts.continues = True
                parts.ended = self._reason(mapping(event.get("delta")))
                parts.usage = event.get("usage")
            case "message_stop":
                parts.last = True
            case _:
                pass

    def _read_message(self, message: Fields, parts: Parts) -> None:
        parts.model = label(message.get("model")) or None
        parts.usage = message.get("usage")
        content: object = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else sequence(content)
        for index, block in enumerate(map(mapping, blocks)):
            self._read_block(index, block, parts, whole=True)
        parts.ended = self._reason(message)

    def _read_block(self, index: int | None, block: Fields, parts: Parts, *, whole: bool) -> None:
        parts.continues = True
        match block.get("type"):
            case "text":
                parts.text += text(block.get("text"))
            case "thinking":
                parts.reasoning += text(block.get("thinking"))
            case "tool_use" if block.get("name") == ANSWER_TOOL:
                self._answers.add(index)
                parts.text += json_text(block["input"]) if block.get("input") else ""
            case "tool_use":
                # A block that streams begins with an empty input, and its pieces are the arguments.
                arguments = "" if "input" not in block else json_text(block["input"])
                call = CallPiece(
                    index, label(block.get("id")), label(block.get("name")), arguments, whole=whole, spare=not whole
                )
                parts.calls.append(call)
            case _:  # the provider's own tools, and thoughts that it hides
                pass

    def _read_delta(self, index: int | None, delta: Fields, parts: Parts) -> None:
        parts.continues = True
        match delta.get("type"):
            case "text_delta":
                parts.text += text(delta.get("text"))
            case "thinking_delta":
                parts.reasoning += text(delta.get("thinking"))
            case "input_json_delta" if index in self._answers:
                parts.text += text(delta.get("partial_json"))
            case "input_json_delta":
                parts.calls.append(CallPiece(index, "", "", json_text(delta.get("partial_json"))))
            case _:  # signatures and citations
                pass

    def _reason(self, fields: Fields) -> str | None:
        reason = label(fields.get("stop_reason")) or None
        return "end_turn" if reason == "tool_use" and self._answers else reason
