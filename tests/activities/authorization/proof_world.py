"""Equipment for the tests of the proof of approval: a real ledger, real signatures, and stub runs."""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr
from sqlalchemy import Connection, insert
from temporalio.testing import ActivityEnvironment

from activities.adapters.databases.sqlite_database import Durability, open_sqlite
from activities.adapters.databases.tables import paid_attempts
from activities.adapters.signed_credentials import SignedCredentials
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.clock import DatabaseClock
from activities.adapters.sql.decisions import SqlDecisions
from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.authorization.proof import Proof
from activities.authorization.rights import Rights
from activities.bodies.pins import Pins
from activities.effects.deciding import Deciding
from activities.ports import Beginning, Execution
from activities.settings import Approvals
from perdure.contracts.agents.agent import AgentSpec, CallStage, RequestedCall
from perdure.contracts.agents.steps import (
    Act,
    AskedCall,
    CheckDecision,
    CheckedDecision,
    ScreenCall,
    SettleCall,
    Thought,
)
from perdure.contracts.budget import Budget
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.credentials import claims_of
from perdure.contracts.tool_calls.decisions import StepDecision
from perdure.contracts.tool_calls.tools import Approval, ToolEffect, ToolSpec
from workflows.state_machines.tool_call import binding

Answer = TypeVar("Answer")

KEY = OctKey.import_key("k" * 32, {"kid": "a"})
OTHER_KEY = OctKey.import_key("o" * 32, {"kid": "a"})
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class RunsThatAreMadeUp:
    """A stub of the registry: it holds the runs that a trial has registered."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], RegisteredRun] = {}

    async def register(self, run: RegisteredRun) -> RegisteredRun:
        return self.known.setdefault((run.tenant, run.run_id), run)

    async def look(self, tenant: str, run_id: str) -> RegisteredRun | None:
        return self.known.get((tenant, run_id))

    async def upgraded_at(self) -> datetime | None:
        return None


class ExecutionsThatAreMadeUp:
    """A stub of the server: each execution is the first of its run."""

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        return Execution(workflow_id, run_id, run_id, kind="agent", parent="", started_at=BEGAN)

    async def beginning(self, workflow_id: str, first_run_id: str) -> Beginning:
        return Beginning(BEGAN, {})


class World:
    """One database, and the effects over it. Its clock stands still until a test moves it."""

    def __init__(self, folder: Path) -> None:
        self.now = BEGAN
        self.database = open_sqlite(folder / "proof.db", durability=Durability.KILLED_PROCESS)
        self.ledger = SqlDecisions(self.database, self._clock)
        self.pins = Pins(SqlBlobs(self.database))
        self.runs = RunsThatAreMadeUp()
        rights = Rights(self.runs, ExecutionsThatAreMadeUp())
        self.rights = rights
        self.proof = Proof(rights, self.pins, self.ledger, SqlPaidReplies(self.database))
        keys = json.dumps({"keys": [KEY.as_dict(private=True)]})
        credentials = SignedCredentials(Approvals(keys=SecretStr(keys)))
        self.deciding = Deciding(credentials, self.proof, DatabaseClock(self.database))

    def _clock(self, _: Connection) -> datetime:
        return self.now

    async def run(self, name: str, policy: ApprovalPolicy, *, id: str = "", tenant: str = "acme", **more: Any) -> "Run":
        """Register a run of an agent with one tool that needs approval and two that do not."""
        spec = AgentSpec(
            name="a",
            digest="0" * 64,
            tier="t",
            instructions=Text.of(""),
            tools=(
                tool("write", Approval.ALWAYS, policy),
                tool("note", Approval.NEVER, None),
                tool("ask", Approval.NEVER, None).model_copy(update={"asks": True}),
            ),
            max_output_tokens=1,
        )
        pinned = await self.pins.store(tenant, spec)
        registered = await self.runs.register(
            RegisteredRun(
                tenant=tenant,
                workflow_id=f"{tenant}:{id or name}",
                run_id=name,
                kind="agent",
                spec="a",
                pinned=pinned.digest,
                budget=Budget(),
                registered_at=self.now,
                **more,
            )
        )
        return Run(self, registered, spec, pinned)


def tool(name: str, approval: Approval, policy: ApprovalPolicy | None) -> ToolSpec:
    return ToolSpec(
        name=name,
        digest="1" * 64,
        description="",
        parameters={},
        effect=ToolEffect.AT_MOST_ONCE,
        timeout=timedelta(seconds=30),
        approval=approval,
        policy=policy,
    )


@dataclasses.dataclass
class Run:
    """One run, and the requests of its workflow or of another one."""

    world: World
    registered: RegisteredRun
    spec: AgentSpec
    pinned: Text

    def key(self, step: str = "call-1-1") -> StepKey:
        run = self.registered
        return StepKey(tenant=run.tenant, workflow_id=run.workflow_id, run_id=run.run_id, step=step)

    async def within(self, effect: Callable[[], Awaitable[Answer]], *, asker: "Run | None" = None) -> Answer:
        """Run an effect on request of the workflow of this run, or of another."""
        environment = ActivityEnvironment()
        who = (asker or self).registered
        environment.info = dataclasses.replace(
            environment.info, workflow_id=who.workflow_id, workflow_run_id=who.run_id
        )

        async def run_effect() -> Answer:
            return await effect()

        return await environment.run(run_effect)

    async def ask_people(self, arguments: Text, step: str = "call-1-1", tool: str = "write") -> None:
        """Screen the call, so that people are asked about it."""
        ask = ScreenCall(key=self.key(step), pinned=self.pinned, tool=tool, arguments=arguments)
        await self.world.proof.record_request(self.registered, self.spec, ask)

    async def check(
        self,
        decision: StepDecision,
        arguments: Text,
        *,
        step: str = "call-1-1",
        stage: CallStage = CallStage.AWAITING_APPROVAL,
        asker: "Run | None" = None,
        **more: Any,
    ) -> CheckedDecision:
        """Return the answer of the effect `check_decision`."""
        ask = CheckDecision(
            key=self.key(step),
            decision=decision,
            pinned=self.pinned,
            tool="write",
            arguments=arguments.reference(),
            stage=stage,
            **more,
        )
        return await self.within(lambda: self.world.deciding.check_decision(ask), asker=asker)

    async def act(
        self, arguments: Text, step: str = "call-1-1", tool: str = "write", *, asker: "Run | None" = None
    ) -> str | None:
        """Return why the call may not be made; None where it may."""
        ask = Act(key=self.key(step), attempt=1, pinned=self.pinned, tool=tool, arguments=arguments.reference())

        async def act() -> str | None:
            registered = await self.world.rights.of(ask.key, ask.pinned.digest)
            return await self.world.proof.objection(registered, self.spec, ask)

        return await self.within(act, asker=asker)

    async def settle(self, decision: StepDecision, arguments: Text, tool: str = "write", **more: Any) -> str | None:
        """Return why a decision is not accepted; None where it is."""
        ask = SettleCall(
            key=self.key(decision.step),
            pinned=self.pinned,
            tool=tool,
            decision=decision.bare(),
            question=arguments.reference(),
            **more,
        )
        return await self.world.proof.settle_objection(self.registered, self.spec, ask)

    def signed(self, decision: StepDecision, *groups: str, key: OctKey = KEY, **claims: Any) -> StepDecision:
        """Return the decision with a credential for this run's workflow id."""
        named = claims_of(decision, self.registered.workflow_id, now=datetime.now(UTC), groups=groups)
        token = jwt.encode({"alg": "HS256", "kid": "a"}, {**named, **claims}, key)
        return decision.model_copy(update={"credential": token})

    async def thought(self, turn: int, *calls: tuple[str, str, Text], attempt: int = 1) -> None:
        """Save a reply of the model that asks for these calls: id, tool, arguments."""
        thought = Thought(
            said=Text.of("said"),
            calls=tuple(AskedCall(id=name, tool=tool, arguments=arguments) for name, tool, arguments in calls),
            model="m",
            finish_reason="tool_calls",
            prompt_digest="0" * 64,
            charges={},
        )
        row = {
            **self.key(f"think-{turn}").model_dump(),
            "attempt": attempt,
            "begun_at": BEGAN.isoformat(),
            "reply": thought.model_dump_json(),
            "place": attempt - 1,
        }
        await self.world.database.write(lambda connection: connection.execute(insert(paid_attempts), row).rowcount)


def digest_of(run: Run, step: str, arguments: Text) -> str:
    """Return the digest that a decision about a call of this run has to name."""
    tool = run.spec.tool("write")
    if tool is None:
        raise LookupError("write")
    call = RequestedCall(id=step, tool="write", arguments=arguments, stage=CallStage.AWAITING_APPROVAL)
    return binding(call, tool, run.registered.tenant, run.registered.run_id)
