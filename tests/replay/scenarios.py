"""The runs that are kept as histories: every ending a run can have, and the detours on the way there."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHistory

from activities.settings import ROOT
from agents.extraction_prompt import render_reply
from agents.schemas import Schemas
from perdure.client import Platform, workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.run import AskRequest, ExtractRequest
from perdure.errors import RunFailed
from tests.support.stub_model import StubModel
from tests.support.waiting import until

QUESTION = "How many weeks of parental leave are paid in full?"

EVERYTHING = Budget()
"""The platform's own default."""

FAILED = "failed"
"""The ending of a run that ended by a fault: every other ending is an outcome."""


INVOICE = """Invoice no. 4711
From: Northwind Ltd
To: Tideway Instruments AS
Date: 2026-03-02
Total: EUR 120.00
"""

READING = {
    "invoice_number": (1, "4711"),
    "seller": (2, "Northwind Ltd"),
    "buyer": (3, "Tideway Instruments AS"),
    "issue_date": (4, "2026-03-02"),
    "currency": (5, "EUR"),
    "total": (5, "120.00"),
}
"""What a model reads in it: the line and the words of each field; the others are not stated."""


def reading() -> str:
    """The reply of a model that reads the invoice well."""
    fields = Schemas(ROOT / "agents" / "schemas").extraction("invoice").fields
    return render_reply(fields, READING)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run: what is asked, what the model's calls meet, and how it ends."""

    name: str
    ending: str
    question: str = QUESTION
    budget: Budget = EVERYTHING
    document: str | None = None
    """An invoice, for a run that extracts instead of answering."""
    tier: str | None = None
    script: tuple[object, ...] = ()
    racing: bool = False
    """Whether what is decided depends on which of two effects ends first, and so on the day."""
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
    Scenario(name="answered-after-a-lost-attempt-and-a-wait", ending="answered", script=("500", "answer")),
    Scenario(name="answered-after-an-overload-and-a-wait", ending="answered", script=("503", "answer")),
    Scenario(name="answered-after-a-repair", ending="answered", script=("malformed", "answer")),
    Scenario(name="answered-by-the-deployment-fallen-back-to", ending="answered", tier="strong", script=("401",)),
    Scenario(
        name="abstained-because-no-document-is-near",
        ending="abstained",
        question="Which spices belong into a Moroccan lamb tagine with apricots?",
    ),
    Scenario(name="abstained-after-a-repair-in-vain", ending="abstained", script=("malformed", "malformed")),
    Scenario(
        name="refused-in-the-race",
        ending="refused",
        question='Is aws_secret = "AKIAIOSFODNN7EXAMPLE" still our key?',
        racing=True,
    ),
    Scenario(name="exhausted-before-the-first-attempt", ending="exhausted", budget=Budget(micro_dollars=1)),
    Scenario(name="exhausted-before-a-second-attempt", ending="exhausted", budget=Budget(steps=1), script=("500",)),
    Scenario(name="called-off-in-a-paid-call", ending="cancelled", script=("hang",), meanwhile=_cancel_in_call),
    Scenario(name="failed-because-the-model-refused", ending=FAILED, script=("400",)),
    Scenario(name="failed-after-every-attempt-and-wait", ending=FAILED, script=("drop", "drop", "drop")),
    Scenario(name="extracted", ending="extracted", document=INVOICE, script=({"content": reading()},)),
    Scenario(
        name="extracted-after-a-repair",
        ending="extracted",
        document=INVOICE,
        script=("malformed", {"content": reading()}),
    ),
    Scenario(
        name="refused-for-what-does-not-hold",
        ending="refused",
        document=INVOICE,
        script=("malformed", "malformed", "malformed"),
    ),
)
"""Runs of today's code. A recording without a scenario is of code before it: it is replayed, and never made again."""


async def play(scenario: Scenario, client: Client, stub: StubModel, business_id: str) -> WorkflowHistory:
    """Run it on the workers that serve this client's server; returns its history."""
    platform = Platform(client)
    stub.calls, stub.script = 0, list(scenario.script)
    if scenario.document is None:
        fields = {"question": scenario.question, "tier": scenario.tier, "budget": scenario.budget}
        request = AskRequest.strictly(fields)
    else:
        fields = {"schema_name": "invoice", "file": {"text": scenario.document}, "budget": scenario.budget}
        request = ExtractRequest.strictly(fields)
    run = await platform.start_request(request, business_id=business_id)
    if scenario.meanwhile is not None:
        await scenario.meanwhile(platform, run, stub)
    try:
        ending = (await asyncio.wait_for(platform.result(run), 60)).outcome.kind
    except RunFailed:
        ending = FAILED
    assert ending == scenario.ending, f"{scenario.name} was {ending}"
    return await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
