"""What people did to a run, read from its history: updates, signals, and the run's replies to both."""

from typing import Any, Protocol

from temporalio.api.history.v1 import HistoryEvent

from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.tool_calls.signal_replies import MEMO
from perdure.history.events import why
from perdure.history.payloads import decoded, first, part

DECIDE = "decide"
"""The signal, and the update, that carry a person's decision."""


NAME = 80
"""The most characters of a sender's name, a step or a ruling: a signal may hold anything."""


class MakeEntry(Protocol):
    """Makes an entry of the timeline for an event."""

    def __call__(self, event: HistoryEvent, kind: EntryKind, name: str, **more: Any) -> TimelineEntry: ...


class People:
    """Reads the events that people caused. Their order is the history's."""

    def __init__(self, entry: MakeEntry) -> None:
        self._entry = entry
        self._updates: dict[tuple[str, int], tuple[str, Any]] = {}
        self._signals: dict[str, list[tuple[int, Any]]] = {}
        """The signals `decide` of each execution, by event and request: their replies name them by number."""

    def update_accepted(self, event: HistoryEvent, attributes: Any) -> None:
        """Read the request of an update. Its entry comes with the reply."""
        update = attributes.accepted_request.input
        self._updates[self._execution(event), event.event_id] = (update.name, first(update.args))

    def update_completed(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        """Read the run's reply to an update."""
        key = (self._execution(event), attributes.accepted_event_id)
        name, request = self._updates.pop(key, ("update", None))
        reply = first(attributes.outcome.success) if attributes.outcome.HasField("success") else None
        refused = part(reply, "came", "reason")
        if refused is None and attributes.outcome.HasField("failure"):
            refused = why(attributes.outcome.failure)
        return self._person(event, name, request, refused, "by update")

    def signal_received(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        """Read a signal. Its result is not known yet: a signal gets no reply."""
        request = first(attributes.input)
        if attributes.signal_name != DECIDE:
            refused = f"no run takes the signal {attributes.signal_name!r}: send {DECIDE}"
            return self._person(event, attributes.signal_name, request, refused, "by signal")
        self._signals.setdefault(self._execution(event), []).append((event.event_id, request))
        entry = self._person(event, DECIDE, request, None, "by signal")
        return entry.model_copy(update={"state": EntryState.RUNNING})

    def memo_upserted(self, event: HistoryEvent, attributes: Any) -> TimelineEntry | None:
        """Read the run's reply to a decision by signal, which it has written into its memo."""
        fields = attributes.upserted_memo.fields
        reply = decoded(fields[MEMO]) if MEMO in fields else None
        number, signals = part(reply, "number"), self._signals.get(self._execution(event), [])
        if not isinstance(number, int) or not 0 < number <= len(signals):
            return None
        began, request = signals[number - 1]
        refused = None if part(reply, "accepted") else str(part(reply, "reason") or "it does not count")
        entry = self._person(event, DECIDE, request, refused, "by signal")
        return entry.model_copy(update={"began": began})

    def _execution(self, event: HistoryEvent) -> str:
        return self._entry(event, EntryKind.PERSON, DECIDE).execution

    def _person(self, event: HistoryEvent, name: str, request: Any, refused: Any, how: str) -> TimelineEntry:
        ruling, step = part(request, "ruling") or name, part(request, "step")
        reason = part(request, "reason")
        # A rejection comes before the sender's own words, which may be long enough to hide it.
        found = [str(part(request, "by") or "somebody")[:NAME], how]
        found += [f"rejected: {refused}"] if refused else []
        found += ["with other arguments"] if part(request, "arguments") is not None else []
        found += [f"says: {reason}"] if reason else []
        return self._entry(
            event,
            EntryKind.PERSON,
            str(ruling)[:NAME],
            summary=str(step or "")[:NAME],
            found=", ".join(found),
            state=EntryState.FAILED if refused else EntryState.DONE,
        )
