"""The table of effects: one row for each effect, with its request, its reply, its queue and how it runs."""

from datetime import timedelta
from typing import Any

from perdure.contracts.agents.compaction import Compact, Compacted
from perdure.contracts.agents.steps import (
    Act,
    Acted,
    AuditDecision,
    Audited,
    CheckDecision,
    CheckedDecision,
    PinAgent,
    PinnedAgent,
    ScreenCall,
    ScreenedCall,
    SettleCall,
    SettledCall,
    Think,
    Thought,
)
from perdure.contracts.chains.steps import (
    BindDeployment,
    BoundDeployment,
    Check,
    Checked,
    Extract,
    Generate,
    Generated,
    Parse,
    Parsed,
    RecordRead,
    Retrieve,
    Retrieved,
    Route,
    Routed,
    Screen,
    Screened,
    Validate,
    Validated,
)
from perdure.contracts.runs.caller import PresentCaller, PresentedCaller
from perdure.contracts.temporal.queues import Queue
from workflows.effect import (
    BRIEF,
    COST_UNKNOWN,
    FREE_OF_CHARGE,
    ONCE,
    PATIENT,
    PULSE,
    Ask,
    Effect,
    Reply,
    RunsAs,
    failure_of,
    key_of,
    perform,
)

__all__ = ["COST_UNKNOWN", "EFFECTS", "FREE_OF_CHARGE", "Effect", "RunsAs", "failure_of", "key_of", "perform"]

MODEL_CALL = "calls a model, which costs money; records the attempt before the call and saves the reply after it"
"""The side effects of a model call."""


def free(
    name: str,
    ask: type[Ask],
    reply: type[Reply],
    task_queue: Queue,
    world: str,
    *,
    start_to_close_timeout: timedelta = timedelta(seconds=30),
    schedule_to_start_timeout: timedelta = timedelta(minutes=5),
    for_clients: bool = False,
) -> Effect[Ask, Reply]:
    """Return a row for a remote activity that costs nothing: Temporal retries it."""
    return Effect(
        name=name,
        ask=ask,
        reply=reply,
        world=world,
        task_queue=task_queue,
        start_to_close_timeout=start_to_close_timeout,
        schedule_to_start_timeout=schedule_to_start_timeout,
        heartbeat_timeout=PULSE,
        retry_policy=PATIENT,
        for_clients=for_clients,
    )


def local(
    name: str, ask: type[Ask], reply: type[Reply], world: str, *, start_to_close_timeout: timedelta
) -> Effect[Ask, Reply]:
    """Return a row for a local activity: quick, free, and within the workflow task."""
    return Effect(
        name=name,
        ask=ask,
        reply=reply,
        world=world,
        runs_as=RunsAs.LOCAL_ACTIVITY,
        start_to_close_timeout=start_to_close_timeout,
        retry_policy=BRIEF,
    )


def paid(
    name: str, ask: type[Ask], reply: type[Reply], task_queue: Queue | None = None, world: str = MODEL_CALL
) -> Effect[Ask, Reply]:
    """Return a row for a paid effect: the workflow retries it. A call of a model runs on its deployment's own queue."""
    return Effect(
        name=name,
        ask=ask,
        reply=reply,
        world=world,
        task_queue=task_queue,
        start_to_close_timeout=timedelta(minutes=5),
        schedule_to_start_timeout=timedelta(minutes=5),
        heartbeat_timeout=PULSE,
        retry_policy=ONCE,
        paid=True,
    )


ROUTE = free(
    "route",
    Route,
    Routed,
    Queue.WORKFLOWS,
    "reads the chain's spec and the model catalogue; stores the question and the prompt",
    start_to_close_timeout=timedelta(seconds=10),
)
SCREEN = free("screen", Screen, Screened, Queue.GUARDS, "runs the question's guards")
RETRIEVE = free("retrieve", Retrieve, Retrieved, Queue.RETRIEVAL, "reads the vector store; stores the passages found")
BIND_DEPLOYMENT = local(
    "bind_deployment",
    BindDeployment,
    BoundDeployment,
    "reads the model catalogue",
    start_to_close_timeout=timedelta(seconds=5),
)
GENERATE = paid("generate", Generate, Generated)
CHECK = free("check", Check, Checked, Queue.GUARDS, "runs the answer's guards; reads the cited passages")
PARSE = free(
    "parse",
    Parse,
    Parsed,
    Queue.RETRIEVAL,
    "reads a document's text, the schema and the model catalogue; stores the text and the prompt",
    start_to_close_timeout=timedelta(seconds=60),
)
EXTRACT = paid("extract", Extract, RecordRead)
VALIDATE = free("validate", Validate, Validated, Queue.GUARDS, "reads the document; runs the business rules")

PIN_AGENT = local(
    "pin_agent",
    PinAgent,
    PinnedAgent,
    "reads the agent's spec, the tools and the model catalogue; stores the task and the spec",
    # Every worker of an agent's workflow has this effect. As a local activity it puts the task into the history once.
    start_to_close_timeout=timedelta(seconds=10),
)
THINK = paid("think", Think, Thought)
COMPACT = paid("compact", Compact, Compacted)
SCREEN_CALL = free(
    "screen_call",
    ScreenCall,
    ScreenedCall,
    Queue.TOOLS,
    "checks a call's arguments and runs their guards; stores arguments that a person has edited",
)
ACT = paid(
    "act",
    Act,
    Acted,
    Queue.TOOLS,
    "calls a tool, whose own effect says what that does; writes the intent before the call and the outcome after",
)
SETTLE_CALL = free(
    "settle_call",
    SettleCall,
    SettledCall,
    Queue.TOOLS,
    "writes a person's word on a call into the ledger; stores what the model is told of it",
)
CHECK_DECISION = free(
    "check_decision",
    CheckDecision,
    CheckedDecision,
    Queue.WORKFLOWS,
    "verifies a person's decision and judges it by the registered policy; writes down one that counts",
    start_to_close_timeout=timedelta(seconds=10),
)
AUDIT_DECISION = free(
    "audit_decision",
    AuditDecision,
    Audited,
    Queue.WORKFLOWS,
    "writes down a decision that no run could take; clients ask for it, no workflow does",
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(days=1),
    for_clients=True,
)
PRESENT_CALLER = free(
    "present_caller",
    PresentCaller,
    PresentedCaller,
    Queue.WORKFLOWS,
    "verifies the token of who starts a run, and keeps who they are; clients ask for it, no workflow does",
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(days=1),
    for_clients=True,
)

EFFECTS: tuple[Effect[Any, Any], ...] = (
    ROUTE,
    SCREEN,
    RETRIEVE,
    BIND_DEPLOYMENT,
    GENERATE,
    CHECK,
    PARSE,
    EXTRACT,
    VALIDATE,
    PIN_AGENT,
    THINK,
    COMPACT,
    SCREEN_CALL,
    ACT,
    SETTLE_CALL,
    CHECK_DECISION,
    AUDIT_DECISION,
    PRESENT_CALLER,
)
"""Every effect of the platform."""
