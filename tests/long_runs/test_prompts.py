"""The exact prompt of every step is rebuilt, in whichever execution of the run the step was."""

import pytest
from temporalio.client import Client

from activities.settings import Settings
from deploy.prompts.show_prompt import rebuilt
from perdure.client import Platform
from perdure.contracts.budget import Budget
from tests.support.runs.agent_runs import SUM, answer, calls
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

BUDGET = Budget(steps=60, tool_calls=60, input_tokens=10**7, output_tokens=10**6, micro_dollars=10**7)


async def test_every_step_of_every_execution_is_shown_as_it_was_sent(
    platform: Platform, client: Client, settings: Settings, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    for agent in ("tester", "unguarded"):
        stub.script = [*(calls(SUM) for _ in range(15)), answer()]
        run = await platform.start_agent(f"Do much as {agent}.", agent=agent, budget=BUDGET)
        await platform.result(run)
        assert len(await platform.executions(run)) >= 2
        for turn in range(1, 17):
            prompt = await rebuilt(settings, run, f"think-{turn}", "default")
            assert prompt.recorded == prompt.digest
            assert len(prompt.prompt.messages) == 2 * turn
