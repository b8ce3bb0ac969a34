"""A call that is forgone before it is made: a later attempt gets that outcome, and an earlier one is not denied."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from activities.ports import Done, Fresh, Recorded, Unknown
from perdure.contracts.tool_calls.ledger import CallPhase, IntendedCall
from tests.support.tool_calls.ledger_steps import (
    CALL,
    CALLED_OFF,
    REPEATABLE,
    RESUMABLE,
    SENT,
    Ask,
    AskAsBefore,
    Forgo,
    Happens,
    InMemory,
    Tell,
    happenings,
    possible,
)

MANY = settings(max_examples=600, deadline=None)


@given(happenings, happenings, st.sampled_from([CALL, REPEATABLE]))
@MANY
@example([], [Ask(1), Ask(2)], CALL)
def test_after_a_call_was_forgone_for_good_nobody_ever_calls(
    before: list[Happens], after: list[Happens], call: IntendedCall
) -> None:
    ledger = InMemory(call)
    for happens in possible(before):
        ledger.meet(happens)
    attempt = 1 + max((event.attempt for event in ledger.past), default=0)
    answer = ledger.meet(Forgo(attempt, CALLED_OFF, -1))
    if not isinstance(answer, Fresh):
        assert isinstance(answer, Done | Unknown), "an attempt of a higher number is never superseded"
        return
    assert ledger.past[-1].phase is (CallPhase.UNKNOWN if answer.again else CallPhase.DONE)
    if answer.again:
        return
    for happens in possible(after):
        calls = ledger.meet(happens)
        assert not isinstance(calls, Fresh) or (isinstance(happens, Ask | AskAsBefore | Forgo) and _as_before(happens))


def _as_before(happens: Happens) -> bool:
    """Return whether an earlier transaction is repeated, which is no new request."""
    return isinstance(happens, AskAsBefore | Forgo)


@given(st.integers(1, 4), happenings)
@MANY
def test_what_was_forgone_but_may_be_retried_is_called_by_later_attempts_alone(
    attempt: int, happened: list[Happens]
) -> None:
    ledger = InMemory(CALL)
    assert ledger.meet(Forgo(attempt, RESUMABLE, -1)) == Fresh()
    assert ledger.past[-1].phase is CallPhase.CLEARED
    for happens in possible(happened):
        before = len(ledger.past)
        if isinstance(ledger.meet(happens), Fresh) and len(ledger.past) > before:
            assert ledger.past[before].attempt > attempt
            return


def test_an_attempt_that_is_on_its_way_is_not_forgone_by_another() -> None:
    ledger = InMemory(CALL)
    ledger.meet(Ask(1))
    assert isinstance(ledger.meet(Forgo(2, CALLED_OFF)), Unknown)
    assert ledger.meet(Tell(1, SENT)) == Recorded(CallPhase.DONE, SENT, counts=True, late=True)
    assert ledger.meet(Forgo(2, CALLED_OFF)) == Done(SENT)


def test_forgoing_a_repeatable_call_once_more_says_nothing_about_earlier_attempts() -> None:
    ledger = InMemory(REPEATABLE)
    ledger.meet(Ask(1))
    assert ledger.meet(Forgo(2, CALLED_OFF)) == Fresh(again=True)
    assert ledger.past[-1].phase is CallPhase.UNKNOWN
    assert ledger.meet(Tell(1, SENT)) == Recorded(CallPhase.DONE, SENT, counts=True, late=True)
