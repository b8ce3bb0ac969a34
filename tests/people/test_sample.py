"""A seeded sample of generated decisions, on a real server with real signatures and a desk that counts."""

import asyncio
import json
import random
from dataclasses import dataclass, field

import pytest

from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import Accepted, Ruling, StepDecision
from tests.support.runs.people import Grants, calls, decision, message, signed, waiting
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

RUNS = 8
PEOPLE = ("ann", "ben", "cyd", "sam", "Sam")
"""Sam starts every run."""


@dataclass
class RunDecisions:
    """The decisions that were sent to one run, and those that it accepted."""

    run: str
    other: str
    draw: random.Random
    approved_by: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """The people who approved each message, by its text."""
    sent: list[StepDecision] = field(default_factory=list[StepDecision])

    async def decide_once(self, platform: Platform) -> None:
        """Send one decision of a random kind about a waiting step."""
        steps = await platform.pending(self.run)
        if not steps:
            return
        step = self.draw.choice(steps)
        sent_decision = decision(step, self.draw.choice(PEOPLE))
        kind = self.draw.choice(
            ("plain", "plain", "plain", "edited", "again", "forged", "other run", "unsigned", "stolen")
        )
        match kind:
            case "edited":
                text = f"edited-{self.draw.randrange(10**6)}"
                sent_decision = signed(
                    sent_decision.model_copy(update={"arguments": {"to": "bob", "text": text}}), self.run
                )
            case "again" if self.sent:
                sent_decision = self.draw.choice(self.sent)
            case "forged":
                sent_decision = signed(sent_decision, self.run, said="f" * 64)
            case "other run":
                sent_decision = signed(sent_decision, self.other)
            case "unsigned":
                pass
            case "stolen" if self.sent:
                sent_decision = sent_decision.model_copy(update={"credential": self.draw.choice(self.sent).credential})
            case _:
                sent_decision = signed(sent_decision, self.run)
        reply = (await platform.decide(self.run, sent_decision)).came
        if isinstance(reply, Accepted) and sent_decision not in self.sent:
            assert kind in ("plain", "edited", "again", "stolen"), f"{kind} was taken"
            body = json.dumps(sent_decision.arguments) if sent_decision.arguments is not None else step.arguments.body
            self.approved_by.setdefault(json.loads(body or "")["text"], set()).add(sent_decision.by)
        self.sent.append(sent_decision)


async def test_through_a_real_server_only_what_was_approved_is_sent_and_never_by_the_starter(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(trust=Trust.SIGNED, quorum=2)
    runs: list[str] = []
    for number in range(RUNS):
        stub.script = [calls(*(message(f"{number}-{n}") for n in range(3)))]
        run = await platform.start_agent("Write.", agent="clerk", started_by="sam", business_id=f"sample-{number}")
        await waiting(platform, run, 3)
        runs.append(run)
    all_decisions = [
        RunDecisions(run, other, random.Random(number))  # noqa: S311 - a trial, not a secret
        for number, (run, other) in enumerate(zip(runs, [*runs[1:], runs[0]], strict=True))
    ]

    async def decide_all(decisions: RunDecisions) -> None:
        for _ in range(25):
            await decisions.decide_once(platform)
        for step in await platform.pending(decisions.run):
            await platform.decide(decisions.run, signed(decision(step, "ann", Ruling.DENY), decisions.run))
        await platform.result(decisions.run)

    await asyncio.gather(*(decide_all(decisions) for decisions in all_decisions))
    approved_by = {text: people for decisions in all_decisions for text, people in decisions.approved_by.items()}
    received = desk.received()["messages"]
    sent = [message["text"] for key in received for message in desk.became("messages", key)["messages"]]
    assert len(sent) == len(set(sent)) == sum(received.values()) > RUNS
    assert [text for text in sent if len(approved_by.get(text, ())) < 2] == []
    assert not any(person.lower() == "sam" for people in approved_by.values() for person in people)
