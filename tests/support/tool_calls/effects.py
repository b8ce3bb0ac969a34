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
        method = getattr(self._adapter, name)
        if name != self._method:
            return method

        async def failing(*arguments: Any) -> Any:
            if self._fails():
                raise self._error
            return await method(*arguments)

        return failing


class StubRights(Rights):
    """A stub that accepts every key: these tests are about the ledger's rules, not about who asks."""

    def __init__(self) -> None:
        """Answer without asking a server."""

    async def of(self, key: StepKey, pinned: Digest | None = None) -> RegisteredRun:
        return run_of(key, pinned=pinned or "0" * 64, kind="agent")


class StubProof(Proof):
    """A stub that finds every call approved, and every decision recorded."""

    def __init__(self) -> None:
        """Need no store."""

    async def record_request(self, run: RegisteredRun, spec: AgentSpec, ask: ScreenCall) -> None:
        return None

    async def objection(self, run: RegisteredRun, spec: AgentSpec, ask: Act) -> str | None:
        return None

    async def settle_objection(self, run: RegisteredRun, spec: AgentSpec, ask: SettleCall) -> str | None:
        return None


class StubAccounts:
    """A stub of `Accounts` that charges nothing."""

    async def look(self, tenant: str, run_id: str) -> Account | None:
        return None

    async def charge_call(self, key: StepKey, attempt: int, asking: str, price: Spend) -> None:
        return None


class UnpricedLedger(SqlEffectLedger):
    """The real ledger without charges: the runs of these tests have no account."""

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        return await super().intend(key, attempt, call)


@dataclass
class Worker:
    """One worker process with its effects of tool calls. Several may share a database."""

    database: Database
    tools: Mapping[str, Tool[Any]]
    ledger: EffectLedger
    blobs: BlobStore
    granted: Mapping[str, Tool[Any]]
    """The tools as the run has pinned them, which may differ from this worker's tools."""
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
        """Store the run's spec, and return its link."""
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

    async def request(self, attempt: int, tool: str, key: StepKey = KEY, *, values: Any = None, **more: Any) -> Act:
        """Return the request of an attempt, as the workflow sends it."""
        arguments = await stored(self.blobs, {"what": "x"} if values is None else values)
        return Act(key=key, attempt=attempt, pinned=await self.pin(), tool=tool, arguments=arguments, **more)

    async def act(self, attempt: int, tool: str, key: StepKey = KEY, **more: Any) -> Acted:
        """Make an attempt."""
        return await self.acting.act(await self.request(attempt, tool, key, **more))

    async def settle(
        self, ruling: Ruling, tool: str, key: StepKey = KEY, *, values: Any = None, result: str | None = None
    ) -> SettledCall:
        """Settle the call by a person's decision."""
        decision = StepDecision(
            decision_id="d", step=key.step, digest="0" * 64, ruling=ruling, by="ann", result=result, reason="as I said"
        )
        question = await stored(self.blobs, {"what": "x"} if values is None else values)
        ask = SettleCall(key=key, pinned=await self.pin(), tool=tool, decision=decision, question=question)
        return await self.settling.settle_call(ask)

    async def text_of(self, outcome: ToolOutcome) -> str:
        """Return the text of an outcome, as the model sees it."""
        return await texts.read(self.blobs, "acme", outcome.result)


def worker(database: Database, *tools: Tool[Any], **more: Any) -> Worker:
    """Return a worker with the tools that the run has pinned."""
    named = {one.name: one for one in tools}
    parts: dict[str, Any] = {
        "tools": named,
        "granted": named,
        "ledger": UnpricedLedger(database),
        "blobs": SqlBlobs(database),
    }
    return Worker(database, **(parts | more))


async def stored(blobs: BlobStore, arguments: Any) -> Text:
    """Store a call's arguments as a thought does."""
    text = Text.of(json.dumps(arguments))
    await texts.store(blobs, "acme", text)
    return text.reference()
