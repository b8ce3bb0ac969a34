"""The events of one tool call in any order: attempts that ask, report and forgo, repeats of them, and decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from hypothesis import strategies as st

from activities.adapters.sql.ledger_rules import CallRequest, decide, forgo, intend, record
from activities.ports import Decided, LedgerRefused, Permission, Recorded, UnknownKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import (
    Decision,
    Failed,
    IntendedCall,
    LedgerEvent,
    Source,
    Succeeded,
    ToolOutcome,
    Word,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)

CALL = IntendedCall(tool="send_message", tool_digest="1" * 64, arguments_digest="2" * 64)
REPEATABLE = CALL.model_copy(update={"repeatable": True})

SENT = Succeeded(result=Text.of("sent").reference())
SENT_TWICE = Succeeded(result=Text.of("sent, again").reference())
TIMED_OUT = Failed(reason="it did not answer", did_not_happen=False)
REJECTED = Failed(reason="no such channel", did_not_happen=True)
BUSY = Failed(reason="429", did_not_happen=True, may_retry=True)
CALLED_OFF = Failed(reason="called off", did_not_happen=True)
RESUMABLE = Failed(reason="the run is over", did_not_happen=True, may_retry=True)


@dataclass(frozen=True)
class Ask:
    attempt: int


@dataclass(frozen=True)
class AskAsBefore:
    """The transaction of an earlier request is repeated."""

    which: int


@dataclass(frozen=True)
class Forgo:
    """An attempt asks, and at once gives up the call that it is allowed to make."""

    attempt: int
    why: Failed
    number: int = 0
    """The number of the request: the same number is a repeated transaction."""


@dataclass(frozen=True)
class Tell:
    attempt: int
    outcome: ToolOutcome


Happens: TypeAlias = Ask | AskAsBefore | Forgo | Tell | Decision
Answered: TypeAlias = Permission | Recorded | Decided | LedgerRefused | UnknownKey


def decision(number: int, word: Word, attempt: int, source: Source = Source.PERSON) -> Decision:
    result = Text.of("it was sent").reference() if word is Word.DID_HAPPEN else None
    return Decision(decision_id=f"d-{number}", attempt=attempt, word=word, source=source, by="ann", result=result)


def _decided(number: int, word_and_source: tuple[Word, Source], attempt: int) -> Decision:
    return decision(number, word_and_source[0], attempt, word_and_source[1])


attempts = st.integers(1, 4)
words = st.sampled_from(
    [(word, source) for word in Word for source in Source if (word, source) != (Word.RETRY, Source.RECONCILE)]
)
decisions = st.builds(_decided, st.integers(1, 5), words, attempts)
happenings = st.lists(
    st.one_of(
        st.builds(Ask, attempts),
        st.builds(Ask, attempts),
        st.builds(AskAsBefore, st.integers(0, 5)),
        st.builds(Tell, attempts, st.sampled_from([SENT, SENT_TWICE, TIMED_OUT, REJECTED, BUSY])),
        st.builds(Forgo, attempts, st.sampled_from([CALLED_OFF, RESUMABLE]), st.integers(0, 10**6)),
        decisions,
    ),
    min_size=2,
    max_size=24,
)


@dataclass
class InMemory:
    """A ledger of one call in memory: the rules over a list of entries."""

    call: IntendedCall
    past: list[LedgerEvent] = field(default_factory=list[LedgerEvent])
    askers: list[CallRequest] = field(default_factory=list[CallRequest])

    def meet(self, happens: Happens) -> Answered:
        """Return the ledger's answer to an event."""
        try:
            answer, entries = self._apply(happens)
        except UnknownKey as error:
            return error
        self.past += [] if entries is None else [entries] if isinstance(entries, LedgerEvent) else entries
        return answer

    def _apply(self, happens: Happens) -> tuple[Answered, LedgerEvent | list[LedgerEvent] | None]:
        match happens:
            case Forgo(attempt, why, number):
                return forgo(self.past, CallRequest(attempt, self.call, f"forgoing {number}"), why, NOW)
            case Ask(attempt):
                self.askers.append(CallRequest(attempt, self.call, f"asking {len(self.askers)}"))
                return intend(self.past, self.askers[-1], NOW)
            case AskAsBefore(which):
                return intend(self.past, self.askers[which % len(self.askers)], NOW)
            case Tell(attempt, outcome):
                return record(self.past, attempt, outcome, NOW)
            case Decision():
                return decide(self.past, happens, NOW)


def possible(happened: Sequence[Happens]) -> list[Happens]:
    """Return the events without repeats of requests that were never made."""
    first = next((place for place, one in enumerate(happened) if isinstance(one, Ask)), len(happened))
    return [one for place, one in enumerate(happened) if place > first or not isinstance(one, AskAsBefore)]
