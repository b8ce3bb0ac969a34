"""Builds the effects of each worker role with their adapters. Slow libraries load only in the roles that need them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from activities.authorization.proof import Proof
from activities.authorization.registration import Registration
from activities.authorization.rights import Rights
from activities.bodies.cached_blobs import CachedBlobs
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.ports import Documents, Embedder, Guards, SharedState, TokenLog, VectorStore
from activities.settings import Settings
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.chains.steps import StepKey

if TYPE_CHECKING:
    from activities.adapters.databases.database import Database
    from tools.base import Tool, ToolContext


class WorkerRole(StrEnum):
    """The role of a worker. Slow libraries load only in the roles that need them."""

    WORKFLOWS = "workflows"
    """Runs workflows, and effects that only read files: nothing slow is loaded."""
    RETRIEVAL = "retrieval"
    """Embeds and searches: loads onnxruntime, and LanceDB or Weaviate's client."""
    GUARDS = "guards"
    """Runs guardrail checks: loads Guardrails AI."""
    GENERATION = "generation"
    """Calls models: loads LiteLLM."""
    TOOLS = "tools"
    """Calls tools: loads Guardrails AI, and the libraries of `RETRIEVAL` for their searches."""


Activities = Sequence[Callable[..., Any]]


class Adapters:
    """The adapters of one worker process, made when a role first asks for them and closed together."""

    def __init__(
        self, settings: Settings, stack: AsyncExitStack, database: "Database", log: TokenLog, shared: SharedState
    ) -> None:
        """Use `open`."""
        from activities.adapters.model_servers.catalogue import CatalogueFile
        from activities.adapters.own_folders.checks import require_specs
        from activities.adapters.signed_credentials import SignedCredentials
        from activities.adapters.sql.blobs import SqlBlobs
        from activities.adapters.sql.callers import SqlCallers
        from activities.adapters.sql.runs import SqlRuns
        from activities.adapters.temporal.executions import TemporalExecutions
        from agents.loader import Specs

        self.settings = settings
        self._stack = stack
        require_specs(settings.paths)
        self.toolbox = self.all_tools()
        self.specs = Specs(settings.paths.agent_folders, self.toolbox)
        self.catalogue = CatalogueFile(settings.paths.catalogue, settings.model.endpoints)
        self.database = database
        self.blobs = CachedBlobs(SqlBlobs(database))
        self.pins = Pins(self.blobs)
        self.transcripts = Transcripts(self.blobs)
        self.credentials = SignedCredentials(settings.approvals)
        self.caller_tokens = SignedCredentials(settings.callers, "CALLERS", "have a new one signed")
        self.callers = SqlCallers(database)
        runs, executions = SqlRuns(database), TemporalExecutions()
        self.registration = Registration(runs, executions, self.callers)
        self.rights = Rights(runs, executions)
        self.log = log
        self.shared = shared
        self.when_ready: list[Callable[[], object]] = []
        """Callbacks for a worker that serves: they load what the first question would otherwise wait for."""

    @classmethod
    async def open(cls, settings: Settings, stack: AsyncExitStack) -> Self:
        """Return the adapters for these settings, until the stack is closed, with the database's tables up to date.

        Raises `StorageFull`, `StorageFailed`, `NotConfigured` if the database, an address or a folder cannot be used.
        """
        from activities.adapters.databases.open import open_database
        from activities.adapters.shared.open import open_shared
        from activities.adapters.tokens.open import open_token_log

        database = await stack.enter_async_context(open_database(settings))
        await database.bring_up()
        log = await stack.enter_async_context(open_token_log(settings))
        return cls(settings, stack, database, log, await stack.enter_async_context(open_shared(settings)))

    def all_tools(self) -> Mapping[str, "Tool[Any]"]:
        """Return the tools that agents can be granted: the shipped ones, and those of the author's own folders."""
        from activities.adapters.own_folders.tool_files import all_tools

        return all_tools(self.settings.paths)

    def routing(self) -> Activities:
        """Return the effects that need no slow library."""
        from activities.adapters.sql.audit import SqlAudit
        from activities.adapters.sql.clock import DatabaseClock
        from activities.effects.auditing import Auditing
        from activities.effects.deciding import Deciding
        from activities.effects.pinning import Pinning
        from activities.effects.presenting import Presenting
        from activities.effects.routing import Routing

        routing = Routing(self.specs, self.catalogue, self.blobs, self.registration)
        pinning = Pinning(self.specs, self.catalogue, self.blobs, self.pins, self.registration)
        deciding = Deciding(self.credentials, self.proof, DatabaseClock(self.database))
        auditing = Auditing(SqlAudit(self.database))
        presenting = Presenting(self.caller_tokens, self.callers)
        people = [deciding.check_decision, auditing.audit_decision, presenting.present_caller]
        return [routing.route, routing.bind_deployment, pinning.pin_agent, *people]

    @cached_property
    def proof(self) -> Proof:
        """The proof of approval for effects that need a person's decision."""
        from activities.adapters.sql.decisions import SqlDecisions
        from activities.adapters.sql.paid_replies import SqlPaidReplies

        return Proof(self.rights, self.pins, SqlDecisions(self.database), SqlPaidReplies(self.database))

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder of this process."""
        from activities.adapters.stores.minilm import MiniLM

        return MiniLM.from_folder(self.settings.paths.models)

    @cached_property
    def store(self) -> VectorStore:
        """The store of document chunks."""
        from activities.adapters.stores.open import store_until_closed
        from activities.adapters.telemetry import TracedStore

        return TracedStore(store_until_closed(self.settings, self._stack))

    @cached_property
    def documents(self) -> Documents:
        """The reader of files and pages, in processes of their own."""
        from activities.adapters.documents.files import FileDocuments

        documents = FileDocuments(self.settings.foreign_work)
        self._stack.callback(documents.close)
        self.when_ready.append(documents.warm_up)
        return documents

    def retrieval(self) -> Activities:
        """Return the effects that search and parse documents."""
        from activities.effects.extraction import Parsing
        from activities.effects.retrieval import Retrieval
        from agents.schemas import Schemas

        schemas = Schemas(self.settings.paths.schema_folders)
        return [
            Retrieval(self.store, self.embedder, self.blobs).retrieve,
            Parsing(schemas, self.catalogue, self.documents, self.blobs, self.registration).parse,
        ]

    @cached_property
    def guards_in_use(self) -> Guards:
        """The one set of guards that every effect of this process runs."""
        return self.guard_library()

    def guard_library(self) -> Guards:
        """Build the guards; tests replace this."""
        from activities.adapters.guards.guardrails_guards import GuardrailsGuards
        from activities.adapters.telemetry import TracedGuards

        guards = GuardrailsGuards(settings=self.settings.foreign_work)
        self._stack.callback(guards.close)
        self.when_ready.append(guards.warm_up)
        return TracedGuards(guards)

    def guards(self) -> Activities:
        """Return the effects that run guards and rules."""
        from activities.adapters.guards.record_rules import RecordRules
        from activities.effects.extraction import Validation
        from activities.effects.guarding import Checking, Screening

        guards = self.guards_in_use
        return [
            Screening(self.specs, guards, self.blobs, self.log).screen,
            Checking(guards, self.blobs).check,
            Validation(RecordRules(), self.blobs).validate,
        ]

    def generation(self) -> Activities:
        """Return the effects that call models."""
        from activities.adapters.models.litellm_model import LiteLLMModel
        from activities.adapters.sql.paid_replies import SqlPaidReplies
        from activities.adapters.telemetry import TracedModel, log_lost_tokens, log_overspent
        from activities.effects.compacting import Compacting
        from activities.effects.extraction import Extraction
        from activities.effects.generation import Generation
        from activities.effects.thinking import Thinking
        from activities.paid.purchasing import Purchasing

        calls = self.settings.model
        model = LiteLLMModel(
            self.catalogue,
            timeout_seconds=calls.timeout_seconds,
            idle_seconds=calls.idle_seconds,
            api_keys=calls.api_keys,
            shared=self.shared,
        )
        purchasing = Purchasing(
            TracedModel(model, self.catalogue),
            SqlPaidReplies(self.database, self.settings.limits.of),
            rights=self.rights,
            catalogue=self.catalogue,
            log=self.log,
            lost=log_lost_tokens,
            overspent=log_overspent,
        )
        return [
            Generation(purchasing, self.blobs).generate,
            Extraction(purchasing, self.blobs).extract,
            Thinking(purchasing, self.transcripts, self.pins, self.blobs).think,
            Compacting(purchasing, self.transcripts, self.pins, self.blobs).compact,
        ]

    def tools(self) -> Activities:
        """Return the effects that call tools."""
        from activities.adapters.sql.accounts import SqlAccounts
        from activities.adapters.sql.effect_ledger import SqlEffectLedger
        from activities.adapters.telemetry import log_broken_tool
        from activities.effects.acting import Acting
        from activities.effects.settling import Settling
        from activities.tool_calls.boundary import ToolBoundary

        guards = self.guards_in_use
        ledger = SqlEffectLedger(self.database)
        boundary = ToolBoundary(self.toolbox, guards, log_broken_tool)
        acting = Acting(
            boundary,
            ledger,
            guards=guards,
            blobs=self.blobs,
            pins=self.pins,
            transcripts=self.transcripts,
            contexts=self._tool_contexts(),
            rights=self.rights,
            proof=self.proof,
            accounts=SqlAccounts(self.database),
        )
        settling = Settling(boundary, ledger, self.blobs, self.pins, rights=self.rights, proof=self.proof)
        return [acting.screen_call, acting.act, settling.settle_call]

    def _tool_contexts(self) -> "Callable[[StepKey, AgentSpec], ToolContext]":
        """Return the function that builds a call's context: documents, public pages and the operator's services."""
        from activities.adapters.tool_contexts import context_maker

        make = context_maker(self.settings, lambda: self.store, lambda: self.embedder, self.documents)

        def context(key: StepKey, spec: AgentSpec) -> "ToolContext":
            return make(
                tenant=key.tenant,
                run=key.run_id,
                step=key.step,
                key=key.idempotency_key,
                collection=spec.collection,
            )

        return context
