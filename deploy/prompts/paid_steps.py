"""The paid steps of a recorded run: what each attempt asked for, and what its reply says it was sent."""

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
    """None where it failed, or is still on its way."""
    ended: str
    """What became of it, in a few words."""


async def paid_steps(events: Sequence[HistoryEvent], converter: DataConverter) -> dict[str, list[Attempt]]:
    """Every paid step of a run by its name, with its attempts in the order in which they were made.

    Raises `ValidationError` for a payload that today's contracts cannot read.
    """
    ends = {event.event_id: event for event in events}
    by_start = {number: end for end in events if (number := _start(end)) is not None}
    steps: dict[str, list[Attempt]] = {}
    for event in ends.values():
        asked = event.activity_task_scheduled_event_attributes
        if asked.activity_type.name not in PAID:
            continue
        ask_type, reply_type = PAID[asked.activity_type.name]
        [ask] = cast("list[Ask]", await converter.decode(asked.input.payloads, [ask_type]))
        end = by_start.get(event.event_id)
        reply, ended = None, "is still on its way"
        if end is not None and end.HasField("activity_task_completed_event_attributes"):
            replied = end.activity_task_completed_event_attributes.result.payloads
            [reply] = cast("list[Reply]", await converter.decode(replied, [reply_type]))
            ended = "replied"
        elif end is not None:
            ended = _why(end)
        steps.setdefault(ask.key.step, []).append(Attempt(ask, reply, ended))
    return steps


def whole_name(steps: Iterable[str], step: str) -> str | None:
    """A step's name, from what somebody wrote; None where no step is called so, or more than one is.

    A summary's ends with where the conversation was cut, which nobody needs to write: `compact-2` is enough.
    """
    known = list(steps)
    if step in known:
        return step
    found = [name for name in known if name.startswith("compact-") and name.rpartition("-")[0] == step]
    return found[0] if len(found) == 1 else None


ENDS = {
    "activity_task_completed_event_attributes": "replied",
    "activity_task_failed_event_attributes": "failed",
    "activity_task_timed_out_event_attributes": "timed out",
    "activity_task_canceled_event_attributes": "was cancelled",
}


def _start(event: HistoryEvent) -> int | None:
    """The number of the event that began the activity which this one ends; None where it ends none."""
    kind = event.WhichOneof("attributes")
    return int(getattr(event, kind).scheduled_event_id) if kind in ENDS else None


def _why(end: HistoryEvent) -> str:
    failure = end.activity_task_failed_event_attributes.failure.message
    return ENDS[end.WhichOneof("attributes") or ""] + (f": {failure}" if failure else "")


def payloads(record: Record) -> Iterator[Payload]:
    """Every payload in a message, wherever it lies."""
    if isinstance(record, Payload):
        yield record
        return
    for field, value in record.ListFields():
        values = value.values() if hasattr(value, "values") else value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Record):
                yield from payloads(each)
