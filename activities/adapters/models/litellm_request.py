"""A prompt as LiteLLM takes it, for each kind of provider."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from activities.adapters.model_servers.catalogue import DeploymentEntry
from activities.ports import ANY_TOOL, Message, NotConfigured, Prompt, Sampling

Json = dict[str, Any]

ON_THE_WAY: Mapping[str, Json] = {
    # vLLM reports usage with every piece by the first, llama.cpp by the second; each ignores the other's.
    "hosted_vllm": {
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "extra_body": {"timings_per_token": True},
    },
    "sglang": {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
}
"""How to ask for usage while a reply streams, where the provider reports it then."""

WITHOUT_SEED = frozenset({"anthropic"})
"""Providers that know no seed."""


def require_capable(deployment: str, entry: DeploymentEntry, prompt: Prompt, sampling: Sampling) -> None:
    """Raise `NotConfigured` where the prompt asks for what the deployment does not have."""
    can = entry.capabilities
    asked = {
        "tools": bool(prompt.tools) and can.tools == "none",
        "json_schema": prompt.schema is not None and not can.json_schema,
        "logprobs": sampling.logprobs > 0 and not can.logprobs,
    }
    for lacking, lacks in asked.items():
        if lacks:
            raise NotConfigured(
                f"the deployment {deployment!r} lacks what the prompt asks for, {lacking}: use a tier that has it, or "
                f"set capabilities.{lacking} of {deployment!r} in the model catalogue if its server has it"
            )


def arguments(
    entry: DeploymentEntry, prompt: Prompt, sampling: Sampling, *, streams: bool, dialect: Mapping[str, Any]
) -> Json:
    """The arguments of `litellm.acompletion` that say what is asked; where and how are the caller's.

    `dialect` are fields of the request's body that only this provider knows.
    """
    asked: Json = {
        "model": f"{entry.protocol}/{entry.asked_as}",
        "messages": [_message(message) for message in prompt.messages],
        "max_tokens": sampling.max_output_tokens,
        "temperature": sampling.temperature,
    }
    if entry.provider not in WITHOUT_SEED:
        asked["seed"] = sampling.seed
    if prompt.schema is not None:
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(prompt.schema), "strict": True},
        }
    if sampling.logprobs:
        asked |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if streams:
        asked |= {"stream": True, "stream_options": {"include_usage": True}, **ON_THE_WAY.get(entry.provider, {})}
    if prompt.tools:
        _add_tools(asked, entry, prompt)
    if dialect:
        asked["extra_body"] = {**asked.get("extra_body", {}), **dialect}
    return asked


def _add_tools(asked: Json, entry: DeploymentEntry, prompt: Prompt) -> None:
    own = entry.protocol == "hosted_vllm"
    if own:
        prompt = _with_the_due_tool_alone(prompt)
    functions: list[Json] = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
        for tool in prompt.tools
    ]
    if own:
        for function in functions:
            function["strict"] = True  # SGLang holds arguments to their schema only then
    tools = [{"type": "function", "function": function} for function in functions]
    chosen = {"tools": tools, "tool_choice": _tool_choice(prompt.tool_choice)}
    if own:
        # LiteLLM would remove `strict` and `additionalProperties` on this way.
        asked["extra_body"] = {**asked.get("extra_body", {}), **chosen}
        return
    asked.update(chosen)


def _with_the_due_tool_alone(prompt: Prompt) -> Prompt:
    """The prompt for a server of one's own, which calls the tool that is due for want of another.

    Not all of them hold a name: SGLang 0.5.23 keeps of it only that some tool is called, and shows its model that tool
    alone by itself; llama.cpp takes it for a free choice. That any tool has to be called, all understand.
    """
    if prompt.tool_choice in (None, ANY_TOOL):
        return prompt
    return replace(
        prompt, tools=[tool for tool in prompt.tools if tool.name == prompt.tool_choice], tool_choice=ANY_TOOL
    )


def _tool_choice(choice: str | None) -> Json | str:
    if choice is None:
        return "auto"
    return "required" if choice == ANY_TOOL else {"type": "function", "function": {"name": choice}}


def _message(message: Message) -> Json:
    written: Json = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written
