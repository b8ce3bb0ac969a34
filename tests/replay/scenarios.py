"""The chain runs that are recorded as histories: every ending, and the detours on the way."""

from activities.settings import ROOT
from agents.extraction_prompt import render_reply
from agents.schemas import Schemas
from perdure.client import Platform
from perdure.contracts.budget import Budget
from tests.replay.agent_scenarios import AGENTS, CUT, FILTERED
from tests.replay.scenario import FAILED, Scenario
from tests.replay.stage import Stage
from tests.support.runs.agent_runs import refuses
from tests.support.waiting import until

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
"""The fields that a model reads in the invoice: the line and the text of each; other fields are not stated."""


def reading() -> str:
    """Return the reply of a model that reads the invoice correctly."""
    fields = Schemas([ROOT / "agents" / "schemas"]).extraction("invoice").fields
    return render_reply(fields, READING)


async def _cancel_in_call(platform: Platform, run: str, stage: Stage) -> None:
    await until(lambda: stage.stub.calls > 0, what="the model is called")
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
    Scenario(name="answered-after-a-reply-that-was-cut", ending="answered", script=({"content": '{"1": {"sou'} | CUT,)),
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
    Scenario(name="refused-by-a-filter-of-the-prompt", ending="refused", script=(FILTERED,)),
    Scenario(name="refused-by-the-model-in-its-own-words", ending="refused", script=(refuses("I cannot help."),)),
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
    Scenario(
        name="extracted-after-replies-that-were-cut",
        ending="extracted",
        document=INVOICE,
        script=(
            {"content": reading()[:60]} | CUT,
            {"content": "{}"},
            {"content": reading()[:60]} | CUT,
            {"content": reading()},
        ),
    ),
    *AGENTS,
)
"""Runs of today's code. A recording without a scenario is of older code: it is replayed and never recorded again."""
