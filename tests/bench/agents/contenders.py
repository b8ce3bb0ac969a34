"""The agents that are compared: the platform's, and loops on the bare SDK."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.converter import data_converter
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.bench.agents.loops.contracts import QUEUE, Answer, Task
from tests.bench.contenders import TENANT, Contender
from tests.bench.texts import TOOL

AskAgent = Callable[[str, str], Awaitable[str]]
"""Gives a task to a new run of this name and returns its answer. Raises `NoAnswer`."""

DEPLOYMENT = "notes"
"""The stub model's name in the settings of every contender."""

AGENT = "reader"

AMPLE = Budget(
    steps=10_000, tool_calls=10_000, input_tokens=10**9, output_tokens=10**8, micro_dollars=10**9, until=None
)
"""A budget that is counted and never reached."""

CATALOGUE = f"""
[tiers]
fast = ["{DEPLOYMENT}"]
[deployments.{DEPLOYMENT}]
model = "stub"
provider = "hosted_vllm"
endpoint = "http://127.0.0.1:1/v1"
context_window = 10_000_000
concurrency = 4
capabilities = {{ tools = "native" }}
prices = {{ input = 1_000, output = 1_000 }}
"""

SPEC = f"""
kind = "agent"
system = "You read notes."
results = []
[loops]
told = 0
stuck = 0
[tools.{TOOL}]
"""
"""An agent file without guards: the loops have none."""

GUARDED = SPEC.replace("results = []\n", "")
"""An agent file with the default guards of tool results."""


class NoAnswer(Exception):
    """A run ended without an answer; the message says how."""


def loop(name: str, workflow: str, url: str, module: str = "worker") -> Contender[AskAgent]:
    """Return a loop over the model at `url`; `module` is its worker's, in `tests.bench.agents.loops`."""

    async def asker(address: str) -> tuple[AskAgent, Client]:
        client = await Client.connect(address, data_converter=pydantic_data_converter)

        async def ask(run: str, task: str) -> str:
            try:
                answer = await client.execute_workflow(
                    workflow, Task(text=task), id=run, task_queue=QUEUE, result_type=Answer
                )
            except WorkflowFailureError as error:
                raise NoAnswer(f"{type(error.cause).__name__}: {error.cause}") from None
            return answer.text

        return ask, client

    return Contender(
        name=name,
        module=f"tests.bench.agents.loops.{module}",
        environment={"PERDURE_MODEL__ENDPOINTS": json.dumps({DEPLOYMENT: url})},
        asker=asker,
        run_id=lambda run: run,
    )


def platform(name: str, url: str, folder: Path, spec: str = SPEC) -> Contender[AskAgent]:
    """Return the platform over the model at `url`, and write its agent and its catalogue into the folder."""
    folder.mkdir(parents=True)
    (folder / "catalogue.toml").write_text(CATALOGUE)
    (agents := folder / "agents").mkdir()
    (agents / f"{AGENT}.toml").write_text(spec)

    async def asker(address: str) -> tuple[AskAgent, Client]:
        client = await Client.connect(address, data_converter=data_converter)
        backend = Platform(client)

        async def ask(run: str, task: str) -> str:
            try:
                result = await backend.run_agent(task, agent=AGENT, business_id=run, tenant=TENANT, budget=AMPLE)
            except RunFailed as error:
                raise NoAnswer(str(error)) from None
            if not isinstance(result.outcome, Answered):
                raise NoAnswer(f"{result.outcome!r}")
            return result.outcome.answer.body or ""

        return ask, client

    return Contender(
        name=name,
        module="tests.bench.agents.worker",
        environment={
            "PERDURE_MODEL__ENDPOINTS": json.dumps({DEPLOYMENT: url}),
            "PERDURE_PATHS__AGENTS": str(agents),
            "PERDURE_PATHS__CATALOGUE": str(folder / "catalogue.toml"),
            "PERDURE_TELEMETRY__TRACES": "false",
        },
        asker=asker,
        run_id=lambda run: workflow_id(TENANT, run),
    )
