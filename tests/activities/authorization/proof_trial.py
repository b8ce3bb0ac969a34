"""One seeded run of attempts at the proof of approval: whatever is tried, only what people agreed to may be called.

A trial keeps its own book of who has really agreed to what, by the person and not by the name that is written, and
holds every answer of the proof against it: nothing is allowed that is not in the book, and all that is, is.
"""

import random
from datetime import timedelta
from typing import Any

from activities.ports import NotThisRun
from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Escalation, Trust
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from tests.activities.authorization.proof_book import AFTER, GROUPS, NAMES, SPELLED, STARTER, WAIT, Book, Broken, Told
from tests.activities.authorization.proof_world import OTHER_KEY, Run, World
from workflows.state_machines.approvals import edited
from workflows.state_machines.tool_call import binding


async def played(world: World, attempts: int, seed: int = 0) -> Told:
    """Trials, until there were so many attempts. Raises `Broken`."""
    told = Told()
    while told.attempts < attempts:
        told.add(await Trial(world, seed).play())
        seed += 1
    return told


class Trial:
    """Everything is drawn from the seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.name = world, f"r{seed}"
        self.draw = random.Random(seed)  # noqa: S311 - a trial, not a secret
        self.policy = self._policy()
        self.books: dict[tuple[str, str], Book] = {}
        self.sent: list[tuple[Run, str, Text, StepDecision]] = []
        self.heard: set[tuple[str, str, str]] = set()
        """Words that have counted once: run, step and content."""
        self.told = Told()
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

    async def play(self) -> Told:
        """Some thirty things happen, the last of which are what honest people do."""
        world, draw = self.world, self.draw
        start = {"started_by": draw.choice(("", STARTER)), "subject": draw.choice(("anonymous", STARTER))}
        self.run = await world.run(self.name, self.policy, id=self.name, **start)
        self.second = await world.run(f"{self.name}-again", self.policy, id=self.name, **start)
        self.foreign = await world.run(self.name, self.policy, id=self.name, tenant="globex", **start)
        self.arguments = [Text.of(f'{{"n": {n}}}') for n in range(2)]
        self.spoken = "call-1-1", self.arguments[0]
        for _ in range(draw.randrange(10, 24)):
            await self._something()
            await self._attempt()
        await self._honest()
        return self.told

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
        self.told.kinds.add(kind)
        run, step, arguments = self.run, self.draw.choice(("call-1-1", "call-1-2")), self.draw.choice(self.arguments)
        if self.draw.random() < 0.5:
            step, arguments = self.spoken
        match kind:
            case "time":
                self.world.now += timedelta(hours=self.draw.randrange(1, 7))
            case "asked":
                await run.asked(arguments, step)
                self._book(step).asked.setdefault(arguments.digest, self.world.now)
            case "lapse" | "policy's no":
                await self._lapse(step, arguments, Ruling.APPROVE if kind == "lapse" else Ruling.DENY)
            case "again" if self.sent:
                of, at, about, said = self.draw.choice(self.sent)
                # Whoever has read a decision sends it again, wherever they like, and in whosever name.
                to = self.draw.choice((of, run, self.second))
                await self._send(to, self.draw.choice((at, at, step)), self.draw.choice((about, arguments)), said)
            case "second run" | "other tenant":
                other = self.second if kind == "second run" else self.foreign
                said = self._said(other, step, arguments)
                await self._send(run, step, arguments, said)
            case "other arguments":
                said = self._said(run, step, self.arguments[0])
                await self._send(run, step, self.arguments[1], said)
            case "other step":
                await self._send(run, "call-1-2", arguments, self._said(run, "call-1-1", arguments))
            case "another's":
                await self._stranger(step, arguments)
            case _:
                await self._send(run, step, arguments, self._said(run, step, arguments, kind))

    def _said(self, run: Run, step: str, arguments: Text, kind: str = "yes") -> StepDecision:
        """What somebody says, with the credential that the identity service gives them, or that they make."""
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
        said = StepDecision.model_validate(fields)
        if kind == "claimed group":
            return said
        if kind == "forged":
            return run.signed(said, "leads", "board", key=OTHER_KEY)
        if self.policy.trust is Trust.SIGNED or self.draw.random() < 0.5:
            return run.signed(said, *GROUPS.get(by, ()))
        return said

    async def _stranger(self, step: str, arguments: Text) -> None:
        """The workflow of another run asks for this run's effects."""
        said = self._said(self.run, step, arguments)
        for effect in (
            lambda: self.run.check(said, arguments, step=step, asker=self.second),
            lambda: self.run.act(arguments, step, asker=self.foreign),
        ):
            try:
                await effect()
            except NotThisRun:
                continue
            raise Broken("an effect was done for another run's workflow")

    async def _send(self, run: Run, step: str, arguments: Text, said: StepDecision) -> None:
        """Have a decision looked at, and hold what comes of it against the book."""
        self.sent.append((run, step, arguments, said))
        checked = await run.check(said, arguments, step=step, escalations=self.draw.randrange(2))
        if checked.refused or run is not self.run:
            return
        if said.digest != digest_of(run, step, arguments):
            raise Broken(f"{said.by!r} has decided about something else, and it counts")
        book, heard = self._book(step), (run.registered.run_id, step, said.content)
        if said.ruling is Ruling.DENY:
            self.books[run.registered.run_id, step] = Book()
        elif heard not in self.heard:
            about = arguments if said.arguments is None else edited(said.arguments)
            self._entitled(said, checked.groups, book)
            book.yes.setdefault(about.digest, set()).add(NAMES[said.by])
            self.spoken = step, about
        elif not any(NAMES[said.by] in people for people in book.yes.values()):
            raise Broken(f"{said.by!r} has agreed before a no, and is heard again")
        self.heard.add(heard)

    def _entitled(self, said: StepDecision, groups: tuple[str, ...], book: Book) -> None:
        """Hold a word that counts against the policy, in the trial's own words."""
        policy, run = self.policy, self.run.registered
        if policy.trust is Trust.SIGNED and said.credential is None:
            raise Broken(f"{said.by!r} has signed nothing, and it counts")
        if set(groups) - set(GROUPS.get(said.by, ())):
            raise Broken(f"{said.by!r} is taken to be in {groups}")
        starters = {run.started_by, run.subject} - {"", "anonymous"}
        if policy.four_eyes and NAMES[said.by] in starters:
            raise Broken(f"{said.by!r} has started the run, and decides in it")
        may = {*policy.names, *(name for group in policy.groups for name in policy.members.get(group, ()))}
        if not policy.names or said.by in may or set(groups) & set(policy.groups):
            return
        since = min(book.asked.values(), default=run.registered_at)
        if not ("board" in groups and since is not None and self.world.now - since >= AFTER):
            raise Broken(f"{said.by!r} may not decide, and it counts")

    async def _lapse(self, step: str, arguments: Text, ruling: Ruling) -> None:
        said = StepDecision(
            decision_id=f"{step}/timeout",
            step=step,
            digest=digest_of(self.run, step, arguments),
            ruling=ruling,
            by="the policy",
        )
        book, now = self._book(step), self.world.now
        checked = await self.run.check(said, arguments, step=step, lapsed=True)
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
        """Somebody has a call made, whatever was said: from this run's workflow, or another's."""
        run, (step, arguments) = self.run, self.spoken
        if self.draw.random() < 0.5:
            step = self.draw.choice(("call-1-1", "call-1-2", "call-9-9"))
            arguments = self.draw.choice([*self.arguments, Text.of('{"n": 9}')])
            run = self.draw.choice((self.run, self.run, self.run, self.foreign))
        objection = await run.act(arguments, step)
        book = self.books.get((run.registered.run_id, step), Book()) if run is self.run else Book()
        agreed = len(book.yes.get(arguments.digest, set())) >= self.policy.quorum or arguments.digest in book.waited
        self.told.attempts += 1
        if (objection is None) != agreed:
            raise Broken(f"{step} with {arguments.body}: the proof says {objection!r}, the book {book}")
        self.told.allowed += objection is None
        self.told.refused += objection is not None

    async def _honest(self) -> None:
        """Whoever may, agrees; then the call may be made, whatever was tried before."""
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
        await run.asked(arguments, step)
        for name in people[: self.policy.quorum]:
            if await run.act(arguments, step) is None:
                raise Broken("the call may be made before as many as needed have agreed")
            said = StepDecision(
                decision_id=f"honest-{name}",
                step=step,
                digest=digest_of(run, step, arguments),
                ruling=Ruling.APPROVE,
                by=name,
            )
            checked = await run.check(run.signed(said, *GROUPS.get(name, ())), arguments, step=step)
            if checked.refused:
                raise Broken(f"{name} may decide, and was refused: {checked.refused}")
        objection = await run.act(arguments, step)
        self.told.attempts += 1
        self.told.allowed += 1
        if objection is not None:
            raise Broken(f"as many as needed have agreed, and the proof says {objection}")


def digest_of(run: Run, step: str, arguments: Text) -> str:
    """What a decision about a call that waits for approval names, in this run."""
    tool = run.spec.tool("write")
    if tool is None:
        raise LookupError("write")
    call = RequestedCall(id=step, tool="write", arguments=arguments, stage=CallStage.AWAITING_APPROVAL)
    return binding(call, tool, run.registered.tenant, run.registered.run_id)
