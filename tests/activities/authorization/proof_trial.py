"""One seeded run of attempts at the proof of approval: only calls that people agreed to may be made.

A trial keeps its own book of who has really agreed to what, by the person and not by the name that is written, and
holds every answer of the proof against it: nothing is allowed that is not in the book, and all that is, is.
"""

import random
from datetime import timedelta
from typing import Any

from activities.ports import NotThisRun
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Escalation, Trust
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from tests.activities.authorization.proof_book import (
    AFTER,
    GROUPS,
    NAMES,
    SPELLED,
    STARTER,
    WAIT,
    Book,
    Broken,
    TrialCounts,
)
from tests.activities.authorization.proof_world import OTHER_KEY, Run, World, digest_of
from workflows.state_machines.approvals import edited


async def run_trials(world: World, attempts: int, seed: int = 0) -> TrialCounts:
    """Run trials until there were this many attempts. Raises `Broken`."""
    counts = TrialCounts()
    while counts.attempts < attempts:
        counts.add(await Trial(world, seed).play())
        seed += 1
    return counts


class Trial:
    """One trial; every event is drawn from its seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.name = world, f"r{seed}"
        self.draw = random.Random(seed)  # noqa: S311 - a trial, not a secret
        self.policy = self._policy()
        self.books: dict[tuple[str, str], Book] = {}
        self.sent: list[tuple[Run, str, Text, StepDecision]] = []
        self.counted: set[tuple[str, str, str]] = set()
        """The decisions that have counted once: run, step and content."""
        self.counts = TrialCounts()
        self.number = 0

    def _policy(self) -> ApprovalPolicy:
        draw = self.draw
        closed = draw.random() < 0.7
        return ApprovalPolicy(
            trust=draw.choice(list(Trust)),
            names=draw.choice((("ann", "ben"), ("ann", "ben", "sam"), ("ben",))) if closed else (),
            groups=draw.choice(((), ("leads",), ("leads", "staff"))) if closed else (),
            members={"staff": ("cyd",)},
            escalate=(Escalation(after=AFTER, groups=("board",)),) if closed else (),
            quorum=draw.choice((1, 1, 2)) if closed else draw.choice((1, 2, 3)),
            four_eyes=draw.random() < 0.8,
            timeout=WAIT if draw.random() < 0.6 else None,
            on_timeout=draw.choice(("approve", "deny")),
        )

    async def play(self) -> TrialCounts:
        """Play about thirty events; the last ones are what honest people do."""
        world, draw = self.world, self.draw
        start = {"started_by": draw.choice(("", STARTER)), "subject": draw.choice(("anonymous", STARTER))}
        self.run = await world.run(self.name, self.policy, id=self.name, **start)
        self.second = await world.run(f"{self.name}-again", self.policy, id=self.name, **start)
        self.foreign = await world.run(self.name, self.policy, id=self.name, tenant="globex", **start)
        self.arguments = [Text.of(f'{{"n": {n}}}') for n in range(2)]
        self.latest = "call-1-1", self.arguments[0]
        for _ in range(draw.randrange(10, 24)):
            await self._something()
            await self._attempt()
        await self._honest()
        return self.counts

    async def _something(self) -> None:
        kind = self.draw.choice(
            (
                *(
                    "yes",
                    "yes",
                    "yes",
                    "edited",
                    "no",
                    "again",
                    "again",
                    "second run",
                    "other tenant",
                    "other arguments",
                ),
                *(
                    "other step",
                    "claimed group",
                    "forged",
                    "another's",
                    "asked",
                    "time",
                    "lapse",
                    "lapse",
                    "policy's no",
                ),
            )
        )
        self.counts.kinds.add(kind)
        run, step, arguments = self.run, self.draw.choice(("call-1-1", "call-1-2")), self.draw.choice(self.arguments)
        if self.draw.random() < 0.5:
            step, arguments = self.latest
        match kind:
            case "time":
                self.world.now += timedelta(hours=self.draw.randrange(1, 7))
            case "asked":
                await run.ask_people(arguments, step)
                self._book(step).asked.setdefault(arguments.digest, self.world.now)
            case "lapse" | "policy's no":
                await self._lapse(step, arguments, Ruling.APPROVE if kind == "lapse" else Ruling.DENY)
            case "again" if self.sent:
                of, at, about, decision = self.draw.choice(self.sent)
                # Anybody who has read a decision can send it again, to any run and in anybody's name.
                to = self.draw.choice((of, run, self.second))
                await self._send(to, self.draw.choice((at, at, step)), self.draw.choice((about, arguments)), decision)
            case "second run" | "other tenant":
                other = self.second if kind == "second run" else self.foreign
                decision = self._decision(other, step, arguments)
                await self._send(run, step, arguments, decision)
            case "other arguments":
                decision = self._decision(run, step, self.arguments[0])
                await self._send(run, step, self.arguments[1], decision)
            case "other step":
                await self._send(run, "call-1-2", arguments, self._decision(run, "call-1-1", arguments))
            case "another's":
                await self._stranger(step, arguments)
            case _:
                await self._send(run, step, arguments, self._decision(run, step, arguments, kind))

    def _decision(self, run: Run, step: str, arguments: Text, kind: str = "yes") -> StepDecision:
        """Return a decision with the credential that the identity service gives, or with a forged one."""
        self.number += 1
        by = self.draw.choice(SPELLED if self.draw.random() < 0.4 else tuple(NAMES))  # one who pretends to be several
        fields: dict[str, Any] = {
            "decision_id": f"d{self.number}",
            "step": step,
            "digest": digest_of(run, step, arguments),
            "ruling": Ruling.DENY if kind == "no" else Ruling.APPROVE,
            "by": by,
        }
        if kind == "edited":
            fields["arguments"] = {"n": self.draw.randrange(2)}
        decision = StepDecision.model_validate(fields)
        if kind == "claimed group":
            return decision
        if kind == "forged":
            return run.signed(decision, "leads", "board", key=OTHER_KEY)
        if self.policy.trust is Trust.SIGNED or self.draw.random() < 0.5:
            return run.signed(decision, *GROUPS.get(by, ()))
        return decision

    async def _stranger(self, step: str, arguments: Text) -> None:
        """Let the workflow of another run ask for this run's effects."""
        decision = self._decision(self.run, step, arguments)
        for effect in (
            lambda: self.run.check(decision, arguments, step=step, asker=self.second),
            lambda: self.run.act(arguments, step, asker=self.foreign),
        ):
            try:
                await effect()
            except NotThisRun:
                continue
            raise Broken("an effect was done for another run's workflow")

    async def _send(self, run: Run, step: str, arguments: Text, decision: StepDecision) -> None:
        """Send a decision to the check, and compare the result with the book."""
        self.sent.append((run, step, arguments, decision))
        checked = await run.check(decision, arguments, step=step, escalations=self.draw.randrange(2))
        if checked.refused or run is not self.run:
            return
        if decision.digest != digest_of(run, step, arguments):
            raise Broken(f"{decision.by!r} has decided about something else, and it counts")
        book, counted = self._book(step), (run.registered.run_id, step, decision.content)
        if decision.ruling is Ruling.DENY:
            self.books[run.registered.run_id, step] = Book()
        elif counted not in self.counted:
            about = arguments if decision.arguments is None else edited(decision.arguments)
            self._entitled(decision, checked.groups, book)
            book.yes.setdefault(about.digest, set()).add(NAMES[decision.by])
            self.latest = step, about
        elif not any(NAMES[decision.by] in people for people in book.yes.values()):
            raise Broken(f"{decision.by!r} has agreed before a no, and is heard again")
        self.counted.add(counted)

    def _entitled(self, decision: StepDecision, groups: tuple[str, ...], book: Book) -> None:
        """Compare a decision that counts with the policy, by rules written again for this trial."""
        policy, run = self.policy, self.run.registered
        if policy.trust is Trust.SIGNED and decision.credential is None:
            raise Broken(f"{decision.by!r} has signed nothing, and it counts")
        if set(groups) - set(GROUPS.get(decision.by, ())):
            raise Broken(f"{decision.by!r} is taken to be in {groups}")
        starters = {run.started_by, run.subject} - {"", "anonymous"}
        if policy.four_eyes and NAMES[decision.by] in starters:
            raise Broken(f"{decision.by!r} has started the run, and decides in it")
        may = {*policy.names, *(name for group in policy.groups for name in policy.members.get(group, ()))}
        if not policy.names or decision.by in may or set(groups) & set(policy.groups):
            return
        since = min(book.asked.values(), default=run.registered_at)
        if not ("board" in groups and since is not None and self.world.now - since >= AFTER):
            raise Broken(f"{decision.by!r} may not decide, and it counts")

    async def _lapse(self, step: str, arguments: Text, ruling: Ruling) -> None:
        decision = StepDecision(
            decision_id=f"{step}/timeout",
            step=step,
            digest=digest_of(self.run, step, arguments),
            ruling=ruling,
            by="the policy",
        )
        book, now = self._book(step), self.world.now
        checked = await self.run.check(decision, arguments, step=step, lapsed=True)
        fits = self.policy.timeout is not None and self.policy.on_timeout == ruling.value
        if not fits:
            if not checked.refused:
                raise Broken("a policy has said what it does not say")
            return
        if ruling is Ruling.DENY:
            self.books[self.run.registered.run_id, step] = Book()
            return
        since = book.asked.setdefault(arguments.digest, now)
        if (now - since >= WAIT) != (not checked.refused):
            raise Broken(f"people were asked for {now - since}, and the policy said {checked}")
        if not checked.refused:
            book.waited.add(arguments.digest)
        elif checked.wait != since + WAIT - now:
            raise Broken(f"the policy waits for {checked.wait}")

    def _book(self, step: str) -> Book:
        return self.books.setdefault((self.run.registered.run_id, step), Book())

    async def _attempt(self) -> None:
        """Attempt a call from this run's workflow or another's, and compare the proof's answer with the book."""
        run, (step, arguments) = self.run, self.latest
        if self.draw.random() < 0.5:
            step = self.draw.choice(("call-1-1", "call-1-2", "call-9-9"))
            arguments = self.draw.choice([*self.arguments, Text.of('{"n": 9}')])
            run = self.draw.choice((self.run, self.run, self.run, self.foreign))
        objection = await run.act(arguments, step)
        book = self.books.get((run.registered.run_id, step), Book()) if run is self.run else Book()
        agreed = len(book.yes.get(arguments.digest, set())) >= self.policy.quorum or arguments.digest in book.waited
        self.counts.attempts += 1
        if (objection is None) != agreed:
            raise Broken(f"{step} with {arguments.body}: the proof says {objection!r}, the book {book}")
        self.counts.allowed += objection is None
        self.counts.refused += objection is not None

    async def _honest(self) -> None:
        """Let those who may approve agree; the call is then allowed, whatever was tried before."""
        run, arguments, step = self.run, self.arguments[0], "call-2-1"
        registered = run.registered
        people: list[str] = []
        barred = {registered.started_by, registered.subject} if self.policy.four_eyes else set[str]()
        for name in ("ann", "ben", "cyd", "lea", "liz"):
            groups = GROUPS.get(name, ())
            may = {
                *self.policy.names,
                *(one for group in self.policy.groups for one in self.policy.members.get(group, ())),
            }
            if name not in barred and (not self.policy.names or name in may or set(groups) & set(self.policy.groups)):
                people.append(name)
        unknown = not {registered.started_by, registered.subject} - {"", "anonymous"}
        if len(people) < self.policy.quorum or (
            unknown and self.policy.four_eyes and self.policy.trust is Trust.SIGNED
        ):
            return
        await run.ask_people(arguments, step)
        for name in people[: self.policy.quorum]:
            if await run.act(arguments, step) is None:
                raise Broken("the call may be made before as many as needed have agreed")
            decision = StepDecision(
                decision_id=f"honest-{name}",
                step=step,
                digest=digest_of(run, step, arguments),
                ruling=Ruling.APPROVE,
                by=name,
            )
            checked = await run.check(run.signed(decision, *GROUPS.get(name, ())), arguments, step=step)
            if checked.refused:
                raise Broken(f"{name} may decide, and was refused: {checked.refused}")
        objection = await run.act(arguments, step)
        self.counts.attempts += 1
        self.counts.allowed += 1
        if objection is not None:
            raise Broken(f"as many as needed have agreed, and the proof says {objection}")
