"""Reads the paid steps of a recorded run: the request of each attempt, and its reply with the prompt's digest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from google.protobuf.message import Message as Record
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from perdure.contracts.agents.compaction import Compact, Compacted
from perdure.contracts.agents.steps import Think, Thought
from perdure.contracts.chains.steps import Extract, Generate, Generated, RecordRead

Ask: TypeAlias = Think | Compact | Generate | Extract
Reply: TypeAlias = Thought | Compacted | Generated | RecordRead

PAID: dict[str, tuple[type[Ask], type[Reply]]] = {
    "think": (Think, Thought),
    "compact": (Compact, Compacted),
    "generate": (Generate, Generated),
    "extract": (Extract, RecordRead),
}
"""The effects that send a prompt, with their contracts."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of a paid step."""

    ask: Ask
    reply: Reply | None
    """The reply; None where the attempt failed or is still running."""
    ended: str
    """How the attempt ended, in a few words."""


async def paid_steps(events: Sequence[HistoryEvent], converter: DataConverter) -> dict[str, list[Attempt]]:
    """Return every paid step of a run by its name, with its attempts in order.

    Raises `ValidationError` for a payload that today's contracts cannot read.
    """
    ends = {event.event_id: event for event in events}
    by_start = {number: end for end in events if (number := _start(end)) is not None}
    steps: dict[str, list[Attempt]] = {}
    for event in ends.values():
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name not in PAID:
            continue
        ask_type, reply_type = PAID[scheduled.activity_type.name]
        [ask] = cast("list[Ask]", await converter.decode(scheduled.input.payloads, [ask_type]))
        end = by_start.get(event.event_id)
        reply, ended = None, "is still on its way"
        if end is not None and end.HasField("activity_task_completed_event_attributes"):
            result = end.activity_task_completed_event_attributes.result.payloads
            [reply] = cast("list[Reply]", await converter.decode(result, [reply_type]))
            ended = "replied"
        elif end is not None:
            ended = _ending(end)
        steps.setdefault(ask.key.step, []).append(Attempt(ask, reply, ended))
    return steps


def whole_name(steps: Iterable[str], step: str) -> str | None:
    """Return the full name of a step from the user's input; None where no step or more than one matches.

    The name of a summary ends with the place where the conversation was cut. The user may leave that out: `compact-2`.
    """
    known = list(steps)
    if step in known:
        return step
    matches = [name for name in known if name.startswith("compact-") and name.rpartition("-")[0] == step]
    return matches[0] if len(matches) == 1 else None


ENDS = {
    "activity_task_completed_event_attributes": "replied",
    "activity_task_failed_event_attributes": "failed",
    "activity_task_timed_out_event_attributes": "timed out",
    "activity_task_canceled_event_attributes": "was cancelled",
}
"""The events that end an activity, with the words for each."""


def _start(event: HistoryEvent) -> int | None:
    """Return the id of the event that scheduled the activity which this event ends; None where it ends none."""
    kind = event.WhichOneof("attributes")
    return int(getattr(event, kind).scheduled_event_id) if kind in ENDS else None


def _ending(end: HistoryEvent) -> str:
    """Return how an activity ended, with the message of its failure."""
    failure = end.activity_task_failed_event_attributes.failure.message
    return ENDS[end.WhichOneof("attributes") or ""] + (f": {failure}" if failure else "")


def payloads(record: Record) -> Iterator[Payload]:
    """Yield every payload in a message, at any depth."""
    if isinstance(record, Payload):
        yield record
        return
    for field, value in record.ListFields():
        values = value.values() if hasattr(value, "values") else value if field.is_repeated else [value]
        for item in values:
            if isinstance(item, Record):
                yield from payloads(item)
