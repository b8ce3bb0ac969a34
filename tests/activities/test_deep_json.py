"""JSON nested deeper than the parser can follow is refused as invalid, from a model and from a server."""

import pytest

from activities.adapters.model_servers.provider_errors import read_refusal
from activities.adapters.models.schema_tools import read_choice
from activities.adapters.models.tool_text import whole_calls
from activities.ports import ToolCall

DEEP = ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000]


@pytest.mark.parametrize("deep", DEEP, ids=["lists", "objects", "whole"])
def test_json_that_is_too_deep_is_taken_for_none(deep: str) -> None:
    assert whole_calls((ToolCall(id="1", name="read", arguments=deep),)) == ()
    assert read_choice(deep) == (deep, ())
    assert read_refusal(500, {}, deep.encode()).status == 500
