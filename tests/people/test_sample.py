"""A seeded sample of the two thousand, through a real server, real signatures and a desk that counts."""

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
class Said:
    """What was said about one run, and held."""

    run: str
    other: str
    draw: random.Random
    agreed: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Who has agreed to which message."""
    sent: list[StepDecision] = field(default_factory=list[StepDecision])

    async def say(self, platform: Platform) -> None:
        """One decision of some kind about whatever waits."""
        steps = await platform.pending(self.run)
        if not steps:
            return
        step = self.draw.choice(steps)
        said = decision(step, self.draw.choice(PEOPLE))
        kind = self.draw.choice(
            ("plain", "plain", "plain", "edited", "again", "forged", "other run", "unsigned", "stolen")
        )
        match kind:
            case "edited":
                text = f"edited-{self.draw.randrange(10**6)}"
                said = signed(said.model_copy(update={"arguments": {"to": "bob", "text": text}}), self.run)
            case "again" if self.sent:
                said = self.draw.choice(self.sent)
            case "forged":
                said = signed(said, self.run, said="f" * 64)
            case "other run":
                said = signed(said, self.other)
            case "unsigned":
                pass
            case "stolen" if self.sent:
                said = said.model_copy(update={"credential": self.draw.choice(self.sent).credential})
            case _:
                said = signed(said, self.run)
        reply = (await platform.decide(self.run, said)).came
        if isinstance(reply, Accepted) and said not in self.sent:
            assert kind in ("plain", "edited", "again", "stolen"), f"{kind} was taken"
            body = json.dumps(said.arguments) if said.arguments is not None else step.arguments.body
            self.agreed.setdefault(json.loads(body or "")["text"], set()).add(said.by)
        self.sent.append(said)


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
    everything = [
        Said(run, other, random.Random(number))  # noqa: S311 - a trial, not a secret
        for number, (run, other) in enumerate(zip(runs, [*runs[1:], runs[0]], strict=True))
    ]

    async def talk(said: Said) -> None:
        for _ in range(25):
            await said.say(platform)
        for step in await platform.pending(said.run):
            await platform.decide(said.run, signed(decision(step, "ann", Ruling.DENY), said.run))
        await platform.result(said.run)

    await asyncio.gather(*(talk(said) for said in everything))
    agreed = {text: people for said in everything for text, people in said.agreed.items()}
    received = desk.received()["messages"]
    sent = [one["text"] for key in received for one in desk.became("messages", key)["messages"]]
    assert len(sent) == len(set(sent)) == sum(received.values()) > RUNS
    assert [text for text in sent if len(agreed.get(text, ())) < 2] == []
    assert not any(person.lower() == "sam" for people in agreed.values() for person in people)
