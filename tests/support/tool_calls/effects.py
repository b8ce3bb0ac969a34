"""The effects `act`, `screen_call` and `settle_call` over a real ledger, without a server."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.adapters.databases.database import Database
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.authorization.proof import Proof
from activities.authorization.rights import Rights
from activities.bodies import texts
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.effects.acting import Acting
from activities.effects.settling import Settling
from activities.ports import BlobStore, EffectLedger, Guards, Permission, Subject
from activities.tool_calls.boundary import ToolBoundary
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.agents.steps import Act, Acted, ScreenCall, SettleCall, SettledCall
from perdure.contracts.budget import NOTHING, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Digest
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.contracts.tool_calls.ledger import IntendedCall
from perdure.contracts.tool_calls.outcome import ToolOutcome
from perdure.contracts.windows import Account
from tests.support.stores.orders import run_of
from tools.base import Tool, ToolContext
from tools.world import Http, NoHttp

KEY = StepKey(tenant="acme", workflow_id="acme:r", run_id="run-1", step="call-1-1")


class NoGuards:
    """A library without guards."""

    async def run(self, guards: object, subject: Subject) -> tuple[Verdict, ...]:
        del guards, subject
        return ()


class Failing:
    """An adapter of which one method raises, for as long as `fails` says so."""

    def __init__(
        self, adapter: object, method: str, error: Exception, fails: Callable[[], bool] = lambda: True
    ) -> None:
        self._adapter = adapter
        self._method = method
        self._error = error
        self._fails = fails

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        if name != self._method:
            return found

        async def failing(*asked: Any) -> Any:
            if self._fails():
                raise self._error
            return await found(*asked)

        return failing


class StubRights(Rights):
    """Believes every key: these tests are about what the ledger allows, and not about who asks."""

    def __init__(self) -> None:
        """Nobody is asked."""

    async def of(self, key: StepKey, pinned: Digest | None = None) -> RegisteredRun:
        return run_of(key, pinned=pinned or "0" * 64, kind="agent")


class StubProof(Proof):
    """Finds every call approved, and every word recorded."""

    def __init__(self) -> None:
        """Nothing is looked up."""

    async def record_request(self, run: RegisteredRun, spec: AgentSpec, ask: ScreenCall) -> None:
        return None

    async def objection(self, run: RegisteredRun, spec: AgentSpec, ask: Act) -> str | None:
        return None

    async def settle_objection(self, run: RegisteredRun, spec: AgentSpec, ask: SettleCall) -> str | None:
        return None


class StubAccounts:
    """`Accounts` that nothing is charged to."""

    async def look(self, tenant: str, run_id: str) -> Account | None:
        return None

    async def charge_call(self, key: StepKey, attempt: int, asking: str, price: Spend) -> None:
        return None


class UnpricedLedger(SqlEffectLedger):
    """The real ledger, whose calls are charged to nobody: the runs of these tests have no account."""

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        return await super().intend(key, attempt, call)


@dataclass
class Worker:
    """What one worker process does about calls. Several may share a database."""

    database: Database
    tools: Mapping[str, Tool[Any]]
    ledger: EffectLedger
    blobs: BlobStore
    granted: Mapping[str, Tool[Any]]
    """The tools as the run has pinned them, whatever this worker has now."""
    arguments: tuple[GuardSpec, ...] = ()
    guards: Guards = field(default_factory=NoGuards)
    http: Http = field(default_factory=NoHttp)

    def __post_init__(self) -> None:
        boundary = ToolBoundary(self.tools, self.guards)
        pins = Pins(self.blobs)
        self.acting = Acting(
            boundary,
            self.ledger,
            guards=self.guards,
            blobs=self.blobs,
            pins=pins,
            transcripts=Transcripts(self.blobs),
            contexts=lambda key, _: ToolContext(key.tenant, key.run_id, key.step, key.idempotency_key, http=self.http),
            rights=StubRights(),
            proof=StubProof(),
            accounts=StubAccounts(),
        )
        self.settling = Settling(boundary, self.ledger, self.blobs, pins, rights=StubRights(), proof=StubProof())

    async def pin(self) -> Text:
        """The run's spec."""
        spec = AgentSpec(
            name="a",
            digest="0" * 64,
            tier="fast",
            instructions=Text.of("[]"),
            max_output_tokens=10,
            tools=tuple(one.spec() for one in self.granted.values()),
            arguments=self.arguments,
            results=(),
        )
        return await Pins(self.blobs).store("acme", spec)

    async def asked(self, attempt: int, tool: str, key: StepKey = KEY, *, said: Any = None, **more: Any) -> Act:
        """An attempt, as the workflow asks for it."""
        arguments = await stored(self.blobs, {"what": "x"} if said is None else said)
        return Act(key=key, attempt=attempt, pinned=await self.pin(), tool=tool, arguments=arguments, **more)

    async def act(self, attempt: int, tool: str, key: StepKey = KEY, **more: Any) -> Acted:
        """Try it."""
        return await self.acting.act(await self.asked(attempt, tool, key, **more))

    async def settle(
        self, ruling: Ruling, tool: str, key: StepKey = KEY, *, said: Any = None, result: str | None = None
    ) -> SettledCall:
        """Take a person's word."""
        decision = StepDecision(
            decision_id="d", step=key.step, digest="0" * 64, ruling=ruling, by="ann", result=result, reason="as I said"
        )
        question = await stored(self.blobs, {"what": "x"} if said is None else said)
        ask = SettleCall(key=key, pinned=await self.pin(), tool=tool, decision=decision, question=question)
        return await self.settling.settle_call(ask)

    async def shown(self, outcome: ToolOutcome) -> str:
        """What the model is shown of it."""
        return await texts.read(self.blobs, "acme", outcome.result)


def worker(database: Database, *tools: Tool[Any], **more: Any) -> Worker:
    """A worker with the tools that the run has pinned."""
    named = {one.name: one for one in tools}
    parts: dict[str, Any] = {
        "tools": named,
        "granted": named,
        "ledger": UnpricedLedger(database),
        "blobs": SqlBlobs(database),
    }
    return Worker(database, **(parts | more))


async def stored(blobs: BlobStore, arguments: Any) -> Text:
    """A call's arguments, as a thought stores them."""
    text = Text.of(json.dumps(arguments))
    await texts.store(blobs, "acme", text)
    return text.reference()
