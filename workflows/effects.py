"""The table of effects: every effect that a workflow may ask for, and how it runs."""

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


def _call_of_a_model(name: str, ask: type[Ask], reply: type[Reply]) -> Effect[Ask, Reply]:
    """What is bought of a model, one attempt at a time, on its deployment's own queue."""
    return Effect(
        name=name,
        ask=ask,
        reply=reply,
        world="calls a model, which costs money; records the attempt before the call and saves the reply after it",
        start_to_close_timeout=timedelta(minutes=5),
        schedule_to_start_timeout=timedelta(minutes=5),
        heartbeat_timeout=PULSE,
        retry_policy=ONCE,
        paid=True,
    )


ROUTE = Effect(
    name="route",
    ask=Route,
    reply=Routed,
    world="reads the chain's spec and the model catalogue; stores the question and the prompt",
    task_queue=Queue.WORKFLOWS,
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
SCREEN = Effect(
    name="screen",
    ask=Screen,
    reply=Screened,
    world="runs the question's guards",
    task_queue=Queue.GUARDS,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
RETRIEVE = Effect(
    name="retrieve",
    ask=Retrieve,
    reply=Retrieved,
    world="reads the vector store; stores the passages found",
    task_queue=Queue.RETRIEVAL,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
BIND_DEPLOYMENT = Effect(
    name="bind_deployment",
    ask=BindDeployment,
    reply=BoundDeployment,
    world="reads the model catalogue",
    runs_as=RunsAs.LOCAL_ACTIVITY,
    start_to_close_timeout=timedelta(seconds=5),
    retry_policy=BRIEF,
)
GENERATE = _call_of_a_model("generate", Generate, Generated)
CHECK = Effect(
    name="check",
    ask=Check,
    reply=Checked,
    world="runs the answer's guards; reads the cited passages",
    task_queue=Queue.GUARDS,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
PARSE = Effect(
    name="parse",
    ask=Parse,
    reply=Parsed,
    world="reads a document's text, the schema and the model catalogue; stores the text and the prompt",
    task_queue=Queue.RETRIEVAL,
    start_to_close_timeout=timedelta(seconds=60),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
EXTRACT = _call_of_a_model("extract", Extract, RecordRead)
VALIDATE = Effect(
    name="validate",
    ask=Validate,
    reply=Validated,
    world="reads the document; runs the business rules",
    task_queue=Queue.GUARDS,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)

PIN_AGENT = Effect(
    name="pin_agent",
    ask=PinAgent,
    reply=PinnedAgent,
    world="reads the agent's spec, the tools and the model catalogue; stores the task and the spec",
    # Whoever runs an agent's workflow has it, in every deployment. The task then crosses the history once, not twice.
    runs_as=RunsAs.LOCAL_ACTIVITY,
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=BRIEF,
)
THINK = _call_of_a_model("think", Think, Thought)
COMPACT = _call_of_a_model("compact", Compact, Compacted)
SCREEN_CALL = Effect(
    name="screen_call",
    ask=ScreenCall,
    reply=ScreenedCall,
    world="checks a call's arguments and runs their guards; stores arguments that a person has edited",
    task_queue=Queue.TOOLS,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
ACT = Effect(
    name="act",
    ask=Act,
    reply=Acted,
    world="calls a tool, whose own effect says what that does; writes the intent before the call and the outcome after",
    task_queue=Queue.TOOLS,
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=ONCE,
    paid=True,
)
SETTLE_CALL = Effect(
    name="settle_call",
    ask=SettleCall,
    reply=SettledCall,
    world="writes a person's word on a call into the ledger; stores what the model is told of it",
    task_queue=Queue.TOOLS,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
CHECK_DECISION = Effect(
    name="check_decision",
    ask=CheckDecision,
    reply=CheckedDecision,
    world="verifies a person's decision and judges it by the registered policy; writes down one that counts",
    task_queue=Queue.WORKFLOWS,
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(minutes=5),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
)
AUDIT_DECISION = Effect(
    name="audit_decision",
    ask=AuditDecision,
    reply=Audited,
    world="writes down a decision that no run could take; clients ask for it, no workflow does",
    task_queue=Queue.WORKFLOWS,
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(days=1),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
    for_clients=True,
)
PRESENT_CALLER = Effect(
    name="present_caller",
    ask=PresentCaller,
    reply=PresentedCaller,
    world="verifies the token of who starts a run, and keeps who they are; clients ask for it, no workflow does",
    task_queue=Queue.WORKFLOWS,
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_start_timeout=timedelta(days=1),
    heartbeat_timeout=PULSE,
    retry_policy=PATIENT,
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
