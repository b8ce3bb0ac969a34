"""The runs that are kept as histories: every ending a run can have, and the detours on the way there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHistory

from perdure.client import Platform, RunFailed, workflow_id
from perdure.contracts.budget import Budget
from tests.support.stub_model import StubModel
from tests.support.waiting import until

QUESTION = "How many weeks of parental leave are paid in full?"

EVERYTHING = Budget()
"""The platform's own default."""

FAILED = "failed"
"""The ending of a run that ended by a fault: every other ending is an outcome."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run: what is asked, what the model's calls meet, and how it ends."""

    name: str
    ending: str
    question: str = QUESTION
    budget: Budget = EVERYTHING
    script: tuple[object, ...] = ()
    meanwhile: Callable[[Platform, str, StubModel], Awaitable[None]] | None = None
    """What happens from outside once the run has started."""


async def _cancel_in_call(platform: Platform, run: str, stub: StubModel) -> None:
    await until(lambda: stub.calls > 0, what="the model is called")
    await platform.cancel(run)


SCENARIOS = (
    Scenario(name="answered-with-an-older-edition", ending="answered"),
    Scenario(
        name="answered-in-two-parts",
        ending="answered",
        question="How many weeks of parental leave are paid in full? How often are backups made?",
    ),
    Scenario(name="answered-after-a-lost-attempt", ending="answered", script=("500", "answer")),
    Scenario(name="answered-after-an-overloaded-model", ending="answered", script=("503", "answer")),
    Scenario(
        name="abstained-because-no-document-is-near",
        ending="abstained",
        question="Which spices belong into a Moroccan lamb tagine with apricots?",
    ),
    Scenario(name="abstained-from-an-unreadable-reply", ending="abstained", script=("malformed",)),
    Scenario(
        name="refused-because-of-a-secret",
        ending="refused",
        question='Is aws_secret = "AKIAIOSFODNN7EXAMPLE" still our key?',
    ),
    Scenario(name="exhausted-before-the-first-attempt", ending="exhausted", budget=Budget(micro_dollars=1)),
    Scenario(name="exhausted-by-a-lost-attempt", ending="exhausted", budget=Budget(steps=1), script=("500",)),
    Scenario(name="cancelled-in-a-paid-call", ending="cancelled", script=("hang",), meanwhile=_cancel_in_call),
    Scenario(name="failed-because-the-model-refused", ending=FAILED, script=("400",)),
    Scenario(name="failed-after-every-attempt", ending=FAILED, script=("drop", "drop", "drop")),
)


async def play(scenario: Scenario, client: Client, stub: StubModel, business_id: str) -> WorkflowHistory:
    """Run it on the workers that serve this client's server; returns its history."""
    platform = Platform(client)
    stub.calls, stub.script = 0, list(scenario.script)
    run = await platform.start(scenario.question, business_id=business_id, budget=scenario.budget)
    if scenario.meanwhile is not None:
        await scenario.meanwhile(platform, run, stub)
    try:
        ending = (await asyncio.wait_for(platform.result(run), 60)).outcome.kind
    except RunFailed:
        ending = FAILED
    assert ending == scenario.ending, f"{scenario.name} was {ending}"
    return await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
