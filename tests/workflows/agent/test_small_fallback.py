"""A tier falls back to a deployment with a smaller context window only while the conversation fits in it."""

from pathlib import Path

import pytest

from activities.settings import PROFILES, Settings
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from tests.support.runs.agent_runs import READS, SUM, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

SMALL = 1024


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "reader", READS, "tier = 'strong'\n")
    local = (PROFILES / "local.toml").read_text()
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(local.replace("context_window = 8192", f"context_window = {SMALL}", 1))
    named = with_agents(settings, tmp_path)
    return named.model_copy(update={"paths": named.paths.model_copy(update={"catalogue": catalogue})})


async def test_a_long_conversation_waits_for_the_deployment_that_can_hold_it(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [calls(SUM) | {"input_tokens": 2000}, "401", answer("Forty-two.")]
    result = await platform.run_agent("Count.", agent="reader")
    assert isinstance(result.outcome, Answered)
    assert (result.deployment, result.notices) == ("strong", ()), "its next try is the one that works"


async def test_a_short_conversation_goes_on_at_the_smaller_one(platform: Platform, stub: StubModel) -> None:
    stub.script = [calls(SUM) | {"input_tokens": 50}, "401", answer("Forty-two.")]
    result = await platform.run_agent("Count.", agent="reader")
    assert isinstance(result.outcome, Answered)
    assert result.deployment == "fast"
