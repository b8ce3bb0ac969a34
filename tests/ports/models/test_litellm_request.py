"""A tool that has to be called changes a request in one way: the other tools are left out."""

import json
from dataclasses import replace
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.model_servers.catalogue import DeploymentEntry, Provider
from activities.adapters.models.litellm_request import arguments
from activities.adapters.models.schema_tools import as_choice
from activities.ports import ANY_TOOL, Message, Prompt, Sampling, ToolSchema
from perdure.contracts.chains.spec import Prices

OWN = ("hosted_vllm", "sglang")
"""Providers of self-hosted servers, some of which do not enforce a tool's name."""

names = st.text("abcdefgh_", min_size=1, max_size=12)
tools = st.lists(names, min_size=1, max_size=6, unique=True).map(
    lambda several: [ToolSchema(name, f"Does {name}.", {"type": "object", "properties": {}}) for name in several]
)


def request(provider: Provider, prompt: Prompt, *, streams: bool = False) -> dict[str, Any]:
    """Return the body of the request, which LiteLLM merges from two parts."""
    entry = DeploymentEntry(
        model="stub",
        provider=provider,
        endpoint="http://127.0.0.1:1/v1",
        context_window=4096,
        prices=Prices(input=1, output=2),
        concurrency=1,
    )
    call = arguments(entry, prompt, Sampling(max_output_tokens=8), streams=streams, dialect={})
    return {**{key: value for key, value in call.items() if key != "extra_body"}, **call.get("extra_body", {})}


@given(provider=st.sampled_from(get_args(Provider)), tools=tools, data=st.data(), streams=st.booleans())
def test_a_tool_that_is_due_leaves_the_server_no_other(
    provider: Provider, tools: list[ToolSchema], data: st.DataObject, *, streams: bool
) -> None:
    due = data.draw(st.sampled_from(tools)).name
    free = Prompt([Message("user", "What now?")], tools=tools)
    body = request(provider, replace(free, tool_choice=due), streams=streams)
    offered = [tool["function"]["name"] for tool in body["tools"]]
    if provider in OWN:
        assert (offered, body["tool_choice"]) == ([due], "required")
    else:
        assert offered == [tool.name for tool in tools]
        assert body["tool_choice"] == {"type": "function", "function": {"name": due}}


@given(st.sampled_from(get_args(Provider)), tools, st.data())
def test_a_tool_that_is_due_makes_no_prompt_longer_than_its_bound(
    provider: Provider, tools: list[ToolSchema], data: st.DataObject
) -> None:
    """The cost of a thought is estimated from all tools of its agent, before it is known which are sent."""
    free = Prompt([Message("user", "What now?")], tools=tools)
    whole = request(provider, free)
    for choice in (ANY_TOOL, data.draw(st.sampled_from(tools)).name):
        body = request(provider, replace(free, tool_choice=choice))
        assert len(json.dumps(body["tools"])) <= len(json.dumps(whole["tools"]))
        assert all(tool in whole["tools"] for tool in body["tools"])
        assert {key: body[key] for key in body.keys() - {"tools", "tool_choice"}} == {
            key: whole[key] for key in whole.keys() - {"tools", "tool_choice"}
        }


@given(tools, st.data())
def test_a_reply_that_is_held_to_a_schema_can_only_call_the_tool_that_is_due(
    tools: list[ToolSchema], data: st.DataObject
) -> None:
    due = data.draw(st.sampled_from(tools)).name
    body = request("hosted_vllm", as_choice(Prompt([Message("user", "What now?")], tools=tools, tool_choice=due)))
    [choice] = body["response_format"]["json_schema"]["schema"]["anyOf"]
    assert choice["properties"]["tool"] == {"const": due}
    assert "tools" not in body
