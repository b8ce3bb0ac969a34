"""One seeded run of decisions: duplicate, late, forged, edited and for another run, in any order, on the pure machine.

A trial plays the driver: it takes decisions one after the other, as `workflows/agent_parts/decisions.py` does, and
lets other things happen where that one awaits an effect. What is executed is held against what people really said.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from perdure.contracts.agents.agent import AgentRun, AgentSpec, CallStage, RequestedCall
from perdure.contracts.agents.steps import CheckedDecision
from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Allowance, Budget
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Escalation, Trust, Voice
from perdure.contracts.tool_calls.decisions import Accepted, DecisionReply, Ruling, StepDecision
from perdure.contracts.tool_calls.tools import Approval, ToolEffect, ToolSpec
from workflows.state_machines import tool_call
from workflows.state_machines.approvals import (
    Lapse,
    agreed,
    decider_objection,
    lapse_ruling,
    next_due,
    passed,
    same_person,
)
from workflows.state_machines.decisions import accepted, earlier_reply, objection, pending, recorded, rejected

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ("ann", "ben", "cyd", "eve")
STARTER = "sam"
EVERYBODY = (*PEOPLE, STARTER, "Sam ", "SAM")


class Broken(Exception):
    """A call was executed that nobody approved, or that somebody approved who must not."""


@dataclass(frozen=True)
class Sealed:
    """A decision as it arrives, with what its credential was signed for, if it has one."""

    decision: StepDecision
    run: str
    signed: tuple[str, str] | None
    """The run and the content that an identity service has signed."""


@dataclass
class Ended:
    """The counts of a trial."""

    executed: int = 0
    accepted_count: int = 0
    refused: int = 0
    again: int = 0
    kinds: set[str] = field(default_factory=set[str])


class Trial:
    """One trial; every event is drawn from its seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - a trial, not a secret
        self.now = NOW
        self.signed = self.draw.random() < 0.6
        closed = self.draw.random() < 0.5
        self.policy = ApprovalPolicy(
            trust=Trust.SIGNED if self.signed else Trust.NAMESPACE,
            names=("ann", "ben") if closed else (),
            escalate=(Escalation(after=timedelta(hours=5), names=("cyd",)),) if closed else (),
            quorum=self.draw.choice((1, 1, 2)),
            timeout=timedelta(hours=40),
        )
        tool = ToolSpec(
            name="write",
            digest="1" * 64,
            description="",
            parameters={},
            effect=ToolEffect.AT_MOST_ONCE,
            timeout=timedelta(seconds=30),
            approval=Approval.ALWAYS,
            policy=self.policy,
        )
        self.tool = tool
        spec = AgentSpec(
            name="a", digest="0" * 64, tier="t", instructions=Text.of(""), tools=(tool,), max_output_tokens=1
        )
        calls = tuple(
            tool_call.awaiting_approval(
                RequestedCall(id=f"call-1-{n}", tool="write", arguments=Text.of(f'{{"n": {n}}}')),
                tool,
                Text.of(f'{{"n": {n}}}'),
                NOW,
            )
            for n in range(1, 4)
        )
        place = Deployment(name="d", tier="t", task_queue="d", context_window=1, prices=Prices(input=0, output=0))
        self.run = AgentRun(
            spec=spec,
            pinned=Text.of(""),
            deployment=place,
            allowance=Allowance(budget=Budget()),
            transcript=Transcript(),
            calls=calls,
            started_by=STARTER,
        )
        self.sent: list[Sealed] = []
        self.yes: dict[str, set[str]] = {}
        """Who has really agreed to which arguments of which step: what is executed has to be among it."""
        self.ended = Ended()
        self.done: set[str] = set()

    def play(self) -> Ended:
        """Play sixty events."""
        for _ in range(60):
            kind = self.draw.choice(
                (
                    "fresh",
                    "fresh",
                    "fresh",
                    "edited",
                    "again",
                    "late",
                    "forged",
                    "stolen",
                    "other run",
                    "twisted",
                    "time",
                )
            )
            if kind == "time":
                self._time()
            else:
                sealed = self._sealed(kind)
                if sealed is not None:
                    self.ended.kinds.add(kind)
                    self.sent.append(sealed)
                    self._take(sealed)
            self._execute()
        return self.ended

    def _sealed(self, kind: str) -> Sealed | None:
        """Return the next decision of a kind; None where no such decision is possible."""
        late = [one for one in self.sent if one.decision.step in self.done]
        honest = [one for one in self.sent if one.signed is not None]
        steps = pending(self.run)
        match kind:
            case "again" if self.sent:
                return self.draw.choice(self.sent)
            case "late" if late:
                decision = self.draw.choice(late).decision.model_copy(update={"decision_id": self._id()})
                return Sealed(decision, "r", ("r", decision.content))
            case "stolen" if honest and steps:
                # Somebody has read a credential in the history, and attaches it to another decision.
                step = self.draw.choice(steps)
                decision = self._decision(step.step, step.digest, self.draw.choice(EVERYBODY))
                return Sealed(decision, "r", self.draw.choice(honest).signed)
            case "twisted" if self.sent:
                one = self.draw.choice(self.sent)
                twist = self.draw.choice(
                    ({"arguments": {"n": 99}}, {"by": "ann"}, {"step": "call-1-2"}, {"decision_id": self._id()})
                )
                return Sealed(one.decision.model_copy(update=twist), one.run, one.signed)
            case "again" | "late" | "stolen" | "twisted":
                return None
            case _:
                return self._new(kind)

    def _new(self, kind: str) -> Sealed | None:
        steps = pending(self.run)
        if not steps:
            return None
        step = self.draw.choice(steps)
        arguments = {"n": self.draw.randrange(100, 200)} if kind == "edited" else None
        decision = self._decision(step.step, step.digest, self.draw.choice(EVERYBODY), arguments)
        match kind:
            case "forged":
                return Sealed(decision, "r", None if self.draw.random() < 0.5 else ("r", "f" * 64))
            case "other run":
                return Sealed(decision, "r", ("another", decision.content))
            case _:
                return Sealed(
                    decision, "r", ("r", decision.content) if self.signed or self.draw.random() < 0.5 else None
                )

    def _decision(self, step: str, digest: str, by: str, arguments: dict[str, int] | None = None) -> StepDecision:
        deny = arguments is None and self.draw.random() < 0.15
        ruling = Ruling.DENY if deny else Ruling.APPROVE
        named = {"decision_id": self._id(), "step": step, "digest": digest, "ruling": ruling, "by": by}
        return StepDecision.model_validate({**named, "arguments": arguments})

    def _id(self) -> str:
        return str(self.draw.randrange(10**9))

    def _take(self, sealed: Sealed) -> None:
        decision = sealed.decision
        earlier = earlier_reply(self.run, decision)
        if earlier is not None:
            before = next(one for one in self.run.decisions if one.decision_id == decision.decision_id)
            if before.content == decision.content and earlier != before.reply:
                raise Broken(f"{decision.decision_id} was answered otherwise before")
            self.ended.again += 1
            return
        reply = self._reply(sealed)
        self.run = recorded(self.run, decision, reply)
        if isinstance(reply.came, Accepted):
            self.ended.accepted_count += 1
        else:
            self.ended.refused += 1

    def _reply(self, sealed: Sealed) -> DecisionReply:
        decision = sealed.decision
        refused = objection(self.run, decision)
        if refused is not None:
            return rejected(decision, refused)
        call = self.run.call(decision.step)
        checked = None
        if sealed.signed is not None:
            good = sealed.signed == ("r", decision.content)
            checked = CheckedDecision(refused="" if good else "the credential is for another decision")
        if self.draw.random() < 0.2:
            self._time()  # an effect is awaited: the clock goes on meanwhile
        refused = objection(self.run, decision)
        call = self.run.call(decision.step)
        refused = refused or decider_objection(call, self.tool, decision, checked, self.run.started_by)
        if refused is not None:
            return rejected(decision, refused)
        if decision.ruling is Ruling.DENY:
            self.run = self.run.with_call(call.model_copy(update={"stage": CallStage.ANSWERED, "binding": None}))
            self.done.add(call.id)
            return accepted(decision, verified=checked is not None)
        arguments = None if decision.arguments is None else Text.of(f'{{"n": {decision.arguments["n"]}}}')
        called = call.arguments if arguments is None else arguments
        self.yes.setdefault(f"{call.id}/{called.digest}", set()).add(decision.by.strip().casefold())
        voice = Voice(by=decision.by, verified=checked is not None, decision_id=decision.decision_id, at=self.now)
        changed, missing = agreed(call, self.tool, voice, arguments)
        self.run = self.run.with_call(changed)
        return accepted(decision, verified=checked is not None, missing=missing)

    def _time(self) -> None:
        self.now += timedelta(hours=self.draw.randrange(1, 8))
        for call in self.run.calls:
            due = next_due(call, self.tool)
            if due is None or due.at > self.now:
                continue
            if not isinstance(due, Lapse):
                self.run = self.run.with_call(passed(call, due))
            elif lapse_ruling(call, self.tool) is Ruling.DENY:
                self.run = self.run.with_call(call.model_copy(update={"stage": CallStage.ANSWERED, "binding": None}))
                self.done.add(call.id)

    def _execute(self) -> None:
        """Execute the calls that may be made, and compare them with the real decisions."""
        for call in self.run.calls:
            if call.stage is not CallStage.ALLOWED:
                continue
            if call.id in self.done:
                raise Broken(f"{call.id} is called twice, or after a no")
            voices = self.yes.get(f"{call.id}/{call.arguments.digest}", set())
            if len(voices) < self.policy.quorum:
                raise Broken(f"{call.id}: {len(voices)} of {self.policy.quorum} agreed to what is called")
            if any(same_person(voice, STARTER) for voice in voices):
                raise Broken(f"{call.id}: the starter has approved it")
            if self.policy.names and not voices <= {"ann", "ben", "cyd"}:
                raise Broken(f"{call.id}: {sorted(voices)} have approved it, and may not")
            self.ended.executed += 1
            self.done.add(call.id)
            self.run = self.run.with_call(call.model_copy(update={"stage": CallStage.ANSWERED}))
