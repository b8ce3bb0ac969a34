"""The agents that are compared: two loops on the bare SDK, each with a Temporal server and a worker of its own."""

import json
from collections.abc import Awaitable, Callable

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from tests.bench.contenders import Contender
from tests.bench.loops.contracts import QUEUE, Answer, Task

AskAgent = Callable[[str, str], Awaitable[str]]
"""Gives a task to a new run of this name; returns what it answers. Raises `NoAnswer`."""

DEPLOYMENT = "notes"
"""What the stub model is called in the settings of every contender."""


class NoAnswer(Exception):
    """A run ended without an answer; the message says how."""


def loop(name: str, workflow: str, url: str) -> Contender[AskAgent]:
    """One of the loops, over the model at this address."""

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
        module="tests.bench.loops.worker",
        environment={"PERDURE_MODEL__ENDPOINTS": json.dumps({DEPLOYMENT: url})},
        asker=asker,
        run_id=lambda run: run,
    )
