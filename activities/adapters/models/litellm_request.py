"""Writes a prompt as arguments for LiteLLM, for each kind of provider."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from activities.adapters.model_servers.catalogue import DeploymentEntry
from activities.ports import ANY_TOOL, Message, NotConfigured, Prompt, Sampling

Json = dict[str, Any]

USAGE_WHILE_STREAMING: Mapping[str, Json] = {
    # The first option makes vLLM report usage with every piece, the second llama.cpp; each ignores the other's option.
    "hosted_vllm": {
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "extra_body": {"timings_per_token": True},
    },
    "sglang": {"stream_options": {"include_usage": True, "continuous_usage_stats": True}},
}
"""The options by which a provider reports usage while a reply streams."""

PROVIDERS_WITHOUT_SEED = frozenset({"anthropic"})
"""The providers that accept no seed."""


def require_capable(deployment: str, entry: DeploymentEntry, prompt: Prompt, sampling: Sampling) -> None:
    """Raise `NotConfigured` where the prompt needs a capability that the deployment lacks."""
    capabilities = entry.capabilities
    needs = {
        "tools": bool(prompt.tools) and capabilities.tools == "none",
        "json_schema": prompt.schema is not None and not capabilities.json_schema,
        "logprobs": sampling.logprobs > 0 and not capabilities.logprobs,
    }
    for lacking, is_lacking in needs.items():
        if is_lacking:
            raise NotConfigured(
                f"the deployment {deployment!r} lacks what the prompt asks for, {lacking}: use a tier that has it, or "
                f"set capabilities.{lacking} of {deployment!r} in the model catalogue if its server has it"
            )


def arguments(
    entry: DeploymentEntry, prompt: Prompt, sampling: Sampling, *, streams: bool, dialect: Mapping[str, Any]
) -> Json:
    """Return the arguments of `litellm.acompletion` for a prompt, without those for the address and the connection.

    `dialect`: fields of the request's body that only this provider knows.
    """
    request: Json = {
        "model": f"{entry.protocol}/{entry.request_model}",
        "messages": [_message(message) for message in prompt.messages],
        "max_tokens": sampling.max_output_tokens,
        "temperature": sampling.temperature,
    }
    if entry.provider not in PROVIDERS_WITHOUT_SEED:
        request["seed"] = sampling.seed
    if prompt.schema is not None:
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(prompt.schema), "strict": True},
        }
    if sampling.logprobs:
        request |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if streams:
        request |= {
            "stream": True,
            "stream_options": {"include_usage": True},
            **USAGE_WHILE_STREAMING.get(entry.provider, {}),
        }
    if prompt.tools:
        _add_tools(request, entry, prompt)
    if dialect:
        request["extra_body"] = {**request.get("extra_body", {}), **dialect}
    return request


def _add_tools(request: Json, entry: DeploymentEntry, prompt: Prompt) -> None:
    own_server = entry.protocol == "hosted_vllm"
    if own_server:
        prompt = _with_only_the_required_tool(prompt)
    functions: list[Json] = [
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
        for tool in prompt.tools
    ]
    if own_server:
        for function in functions:
            function["strict"] = True  # SGLang constrains arguments to their schema only with it
    tools = [{"type": "function", "function": function} for function in functions]
    tool_arguments = {"tools": tools, "tool_choice": _tool_choice(prompt.tool_choice)}
    if own_server:
        # As arguments of its own LiteLLM would remove `strict` and `additionalProperties`; in the body it keeps them.
        request["extra_body"] = {**request.get("extra_body", {}), **tool_arguments}
        return
    request.update(tool_arguments)


def _with_only_the_required_tool(prompt: Prompt) -> Prompt:
    """Return the prompt for vLLM, SGLang or llama.cpp, with only the required tool, so that no other can be called.

    Not all of them obey a tool's name: SGLang 0.5.23 only makes sure that some tool is called, and shows its model
    that tool alone; llama.cpp lets the model choose freely. All of them understand that some tool has to be called.
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
    json_message: Json = {"role": message.role, "content": message.content}
    if message.tool_calls:
        json_message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        json_message["tool_call_id"] = message.tool_call_id
    return json_message
