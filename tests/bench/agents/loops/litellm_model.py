"""The model call as the platform's client makes it: streamed, through LiteLLM's public function."""

from typing import Any

import litellm

from tests.bench.agents.loops.contracts import Message
from tests.bench.agents.loops.model import TOOLS

setattr(litellm, "telemetry", False)  # noqa: B010 - its module does not declare the name
litellm.suppress_debug_info = True
litellm.turn_off_message_logging = True
litellm.disable_streaming_logging = True

MODEL = "hosted_vllm/stub"


class StreamedModel:
    """A model behind LiteLLM, which keeps its connections and retries nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        # LiteLLM takes longer for a model that it does not know.
        price = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
        litellm.register_model({MODEL: {"litellm_provider": "hosted_vllm", "mode": "chat", **price}})

    async def reply(self, messages: list[Message]) -> Message:
        stream: Any = await litellm.acompletion(
            model=MODEL,
            messages=messages,
            tools=TOOLS,
            max_tokens=200,
            stream=True,
            stream_options={"include_usage": True},
            api_base=self._url,
            api_key="none",
            timeout=30,
            num_retries=0,
            max_retries=0,
        )
        content, calls = "", dict[int, dict[str, Any]]()
        async for piece in stream:
            for choice in piece.choices:
                content += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    entry = calls.setdefault(call.index, {"id": call.id, "name": call.function.name, "arguments": ""})
                    entry["arguments"] += call.function.arguments or ""
        tool_calls = [{"id": call.pop("id"), "type": "function", "function": call} for _, call in sorted(calls.items())]
        return {"role": "assistant", "content": content or None, **({"tool_calls": tool_calls} if tool_calls else {})}

    async def close(self) -> None:
        """LiteLLM closes its clients itself."""
