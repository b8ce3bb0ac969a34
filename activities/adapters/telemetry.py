"""Traces and logs: spans by OpenTelemetry's GenAI conventions around each port, and structured events. No prompts."""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.util.genai.handler import TelemetryHandler
from temporalio import activity
from temporalio.contrib.opentelemetry import create_tracer_provider
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.ports import (
    Caller,
    Chunk,
    Completion,
    Filter,
    Fusion,
    Guards,
    Hit,
    Issued,
    Model,
    OnPiece,
    PortError,
    Prompt,
    Sampling,
    Subject,
    VectorStore,
)
from activities.settings import Settings
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.fault import AWAY
from perdure.contracts.guards import GuardSpec, Verdict

SCOPE = "perdure"
"""The instrumentation scope of the platform's own spans."""

GUARD_NAME = "perdure.guard.name"
GUARD_PASSED = "perdure.guard.passed"
GUARD_ACTION = "perdure.guard.action"
GUARD_ENDED = "perdure.guard.ended"
"""The platform's own attribute names: OpenTelemetry has no settled convention for guards yet."""


def log_events(level: str) -> None:
    """Write structured events to standard error: ids and counts, never prompts."""
    # By default a traceback shows each frame's variables, and prompts are among them.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _with_ids(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the activity's run and attempt, and of the current span."""
    if activity.in_activity():
        info = activity.info()
        event["workflow_id"] = info.workflow_id
        event["run_id"] = info.workflow_run_id
        event["activity"] = info.activity_type
        event["attempt"] = info.attempt
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event


def log_lost_tokens(key: StepKey, attempt: int, error: Exception) -> None:
    """Log that readers get no more tokens of a paid attempt; its reply is not affected."""
    # The text of a port's error is the platform's own. Any other error's text may hold anything, so it is left out.
    reason = str(error) if isinstance(error, PortError) else ""
    structlog.get_logger(SCOPE).warning(
        "tokens_lost", step=key.step, paid_attempt=attempt, error=type(error).__name__, reason=reason
    )


def log_overspent(key: StepKey, charge: Spend, reserved: Spend) -> None:
    """Log that a call cost more than was reserved for it. Alert on this event: a server ignores its limits."""
    structlog.get_logger(SCOPE).error(
        "overspent",
        tenant=key.tenant,
        run=key.run_id,
        step=key.step,
        micro_dollars=charge.micro_dollars,
        reserved_micro_dollars=reserved.micro_dollars,
        tokens=charge.input_tokens + charge.output_tokens,
        reserved_tokens=reserved.input_tokens + reserved.output_tokens,
    )


def log_broken_tool(tool: str, kind: str, where: str) -> None:
    """Log a tool whose code raised: the tool, the error's class and the place. The error's text may hold anything."""
    structlog.get_logger(SCOPE).error("tool_broke", tool=tool, error=kind, where=where)


class LoggedEffects(Interceptor):
    """Worker interceptor that logs one event for each effect: its ids, duration and outcome."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _LoggedActivity(next)


class _LoggedActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        log = structlog.get_logger(SCOPE)
        started = time.perf_counter()
        try:
            reply = await super().execute_activity(input)
        except BaseException as error:
            if isinstance(error, ApplicationError) and AWAY in error.details:
                # Alert on this event: runs wait until the service is back.
                log.error(  # noqa: TRY400 - the message is complete: a traceback adds nothing
                    "outage", away=error.type, reason=error.message, milliseconds=_milliseconds_since(started)
                )
                raise
            # The text of an `ApplicationError` is the platform's own. Any other error's text may hold anything.
            reason = str(error) if isinstance(error, ApplicationError) else ""
            log.warning(
                "effect_failed", error=type(error).__name__, reason=reason, milliseconds=_milliseconds_since(started)
            )
            raise
        log.info("effect_done", milliseconds=_milliseconds_since(started))
        return reply


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def record_spans(settings: Settings, exporter: SpanExporter | None = None) -> Callable[[], None]:
    """Install the tracer provider: spans go to `exporter`, to an OTLP collector, or to a file under the state.

    Return a function that writes the last spans and shuts the provider down. Without a call of it, they are written
    when the interpreter ends.
    """
    if exporter is None:
        exporter = _configured_exporter(settings)
    provider = create_tracer_provider(resource=Resource.create({"service.name": "perdure-worker"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _configured_exporter(settings: Settings) -> SpanExporter:
    if settings.telemetry.otlp_endpoint:
        return OTLPSpanExporter(endpoint=settings.telemetry.otlp_endpoint.rstrip("/") + "/v1/traces")
    folder: Path = settings.paths.state / "traces"
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "spans.jsonl").open("a", buffering=1)
    return ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")


class TracedModel:
    """A model whose calls are `chat` spans."""

    def __init__(self, model: Model, catalogue: CatalogueFile) -> None:
        self._model = model
        self._catalogue = catalogue
        self._spans = TelemetryHandler(instrumentation_scope_name=SCOPE)

    async def complete(
        self,
        deployment: str,
        prompt: Prompt,
        sampling: Sampling,
        caller: Caller,
        heard: OnPiece | None = None,
    ) -> Completion:
        entry = self._catalogue.entry(deployment)
        with self._spans.inference(entry.provider, request_model=entry.model) as call:
            call.max_tokens = sampling.max_output_tokens
            completion = await self._model.complete(deployment, prompt, sampling, caller, heard)
            call.response_model_name = completion.model
            call.finish_reasons = [completion.finish_reason]
            call.input_tokens = completion.usage.input_tokens
            call.output_tokens = completion.usage.output_tokens
            call.cache_read_input_tokens = completion.usage.cached_tokens
            return completion


class TracedStore:
    """A vector store whose searches are `retrieval` spans."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._spans = TelemetryHandler(instrumentation_scope_name=SCOPE)

    @property
    def fusion(self) -> Fusion:
        return self._store.fusion

    async def ready(self) -> None:
        await self._store.ready()

    async def replace(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        await self._store.replace(tenant, collection, chunks)

    async def insert(self, tenant: str, collection: str, chunks: Sequence[Chunk]) -> None:
        await self._store.insert(tenant, collection, chunks)

    async def delete_document(self, tenant: str, collection: str, document: str, version: int | None = None) -> int:
        return await self._store.delete_document(tenant, collection, document, version)

    async def search(
        self,
        tenant: str,
        collection: str,
        query: str,
        vector: Sequence[float],
        limit: int,
        *,
        only: Filter | None = None,
    ) -> list[Hit]:
        with self._spans.retrieval(data_source_id=f"{tenant}/{collection}"):
            return await self._store.search(tenant, collection, query, vector, limit, only=only)

    async def editions(self, tenant: str, collection: str) -> list[Issued]:
        return await self._store.editions(tenant, collection)

    async def count(self, tenant: str, collection: str) -> int:
        return await self._store.count(tenant, collection)

    async def alias(self, tenant: str, alias: str, collection: str) -> None:
        await self._store.alias(tenant, alias, collection)


class TracedGuards:
    """Guards whose verdicts are spans, one for each guard."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._tracer = trace.get_tracer(SCOPE)

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        started = time.time_ns()
        verdicts = await self._guards.run(guards, subject)
        for verdict in verdicts:
            # The guards ran in parallel inside the port; each verdict says how long its guard took.
            span = self._tracer.start_span(
                f"run_guard {verdict.guard}",
                start_time=started,
                attributes={
                    GUARD_NAME: verdict.guard,
                    GUARD_PASSED: verdict.passed,
                    GUARD_ACTION: verdict.action.value,
                    GUARD_ENDED: verdict.ended.value,
                },
            )
            span.end(started + round(verdict.milliseconds * 1_000_000))
        return verdicts
