"""The intent ledger: in no order of retries, zombies and decisions does a call happen twice unless a person says so."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activities.ports import Decided, Done, Fresh, KeyTaken, LedgerRefused, Recorded, Superseded, Unknown, UnknownKey
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.ledger import (
    CallPhase,
    Decision,
    Failed,
    Happening,
    IntendedCall,
    Refusal,
    Source,
    Succeeded,
    ToolOutcome,
    Word,
)
from tests.support.tool_calls.ledger_steps import (
    BUSY,
    CALL,
    REJECTED,
    REPEATABLE,
    SENT,
    SENT_TWICE,
    TIMED_OUT,
    Ask,
    AskAsBefore,
    Forgo,
    Happens,
    InMemory,
    Tell,
    decision,
    happenings,
    possible,
)

MANY = settings(max_examples=600, deadline=None)


@given(happenings)
@MANY
@example([Ask(1), Ask(1), decision(1, Word.RETRY, 1), Ask(2), Ask(3)])
@example([Ask(1), Tell(1, BUSY), Ask(2), Tell(1, BUSY), Ask(3)])
def test_no_second_attempt_is_fresh_unless_somebody_said_that_the_first_did_not_happen_or_took_the_risk(
    happened: list[Happens],
) -> None:
    ledger, may_call, holder, applied = InMemory(CALL), True, 0, set[str]()
    for happens in possible(happened):
        before = len(ledger.past)
        answer = ledger.meet(happens)
        match happens, answer:
            case AskAsBefore(), Fresh() if len(ledger.past) == before:
                pass  # the attempt that was fresh gets the same answer once more
            case ((Ask() | AskAsBefore()), Fresh()):
                attempt = ledger.past[-1].attempt
                assert may_call, f"attempt {attempt} may call as well"
                assert attempt > holder, f"attempt {attempt} is a zombie"
                may_call, holder = False, attempt
            case Forgo(), Fresh() if len(ledger.past) > before:
                attempt = ledger.past[-1].attempt
                assert may_call, f"attempt {attempt} may call as well"
                may_call, holder = ledger.past[-1].phase is CallPhase.CLEARED, attempt
            case Decision(word=Word.DID_NOT_HAPPEN | Word.RETRY), Decided() if happens.decision_id not in applied:
                applied.add(happens.decision_id)
                may_call = True
            case Tell(attempt, Failed(may_retry=True)), Recorded() if attempt == holder:
                may_call = True
            case _:
                pass


@given(happenings, st.sampled_from([CALL, REPEATABLE]))
@MANY
def test_an_outcome_that_counts_is_final_and_given_to_every_later_attempt(
    happened: list[Happens], call: IntendedCall
) -> None:
    ledger, outcome = InMemory(call), None
    for happens in possible(happened):
        before = len(ledger.past)
        answer = ledger.meet(happens)
        if outcome is not None:
            match happens, answer:
                case Forgo(), Fresh():
                    assert len(ledger.past) == before, "it is the forgoing that made the outcome, done twice"
                case ((Ask() | AskAsBefore() | Forgo()), _):
                    assert answer == Done(outcome)
                case Tell(), Recorded():
                    assert (answer.phase, answer.outcome) == (CallPhase.DONE, outcome)
                case Decision(), (LedgerRefused(outcome=told) | Decided(outcome=told)):
                    assert told in (outcome, None)
                case _:
                    assert isinstance(answer, UnknownKey)
        last = ledger.past[-1] if ledger.past else None
        if outcome is None and last is not None and last.phase is CallPhase.DONE:
            outcome = last.outcome
            assert outcome is not None


@given(happenings, st.sampled_from([CALL, REPEATABLE]))
@MANY
@example([Ask(1), Ask(2), decision(1, Word.DID_NOT_HAPPEN, 1), Ask(2), Tell(1, REJECTED), Ask(3)], CALL)
def test_a_call_that_failed_for_good_has_no_attempt_that_may_have_happened(
    happened: list[Happens], call: IntendedCall
) -> None:
    ledger, may_have = InMemory(call), Counter[int]()
    counted = set[str | tuple[int, ToolOutcome]]()
    for happens in possible(happened):
        answer = ledger.meet(happens)
        match happens, answer:
            case Ask(attempt), Fresh():
                may_have[attempt] += 1
            case Tell(attempt, Failed(did_not_happen=True) as outcome), Recorded() if (attempt, outcome) not in counted:
                counted.add((attempt, outcome))
                may_have[attempt] = max(0, may_have[attempt] - 1)
            case Decision(word=Word.DID_NOT_HAPPEN), Decided() if happens.decision_id not in counted:
                counted.add(happens.decision_id)
                may_have.clear()
            case _:
                pass
        if isinstance(answer, Done) and isinstance(answer.outcome, Failed):
            assert not +may_have, f"it failed for good, but may have happened: {may_have}"
            return


@given(happenings, st.sampled_from([CALL, REPEATABLE]))
@MANY
def test_whatever_is_done_twice_adds_nothing_and_is_answered_as_before(
    happened: list[Happens], call: IntendedCall
) -> None:
    ledger = InMemory(call)
    for happens in possible(happened):
        before = len(ledger.past)
        answer = ledger.meet(happens)
        added = ledger.past[before:]
        assert [entry.number for entry in added] == list(range(before + 1, before + 1 + len(added)))
        again = ledger.meet(AskAsBefore(len(ledger.askers) - 1) if isinstance(happens, Ask) else happens)
        if isinstance(answer, UnknownKey):
            assert isinstance(again, UnknownKey)
        else:
            assert again == answer
        assert len(ledger.past) == before + len(added)


def met(*happened: Happens, call: IntendedCall = CALL) -> InMemory:
    ledger = InMemory(call)
    for happens in happened:
        ledger.meet(happens)
    return ledger


def test_an_attempt_that_was_delivered_twice_is_not_fresh_again() -> None:
    ledger = met(Ask(1))
    answer = ledger.meet(Ask(1))
    assert isinstance(answer, Unknown)
    assert answer.attempt == 1
    assert ledger.past[-1].happening is Happening.MISSED


def test_a_zombie_neither_calls_nor_makes_an_attempt_unknown_that_is_on_its_way() -> None:
    ledger = met(Ask(1), Ask(2), decision(1, Word.DID_NOT_HAPPEN, 1), Ask(2))
    assert ledger.meet(Ask(1)) == Superseded(by=2)
    assert ledger.past[-1].phase is CallPhase.INTENDED


def test_an_attempt_of_no_higher_number_does_not_take_the_place_that_was_cleared() -> None:
    ledger = met(Ask(2), Ask(2), decision(1, Word.DID_NOT_HAPPEN, 2))
    assert ledger.meet(Ask(2)) == Superseded(by=2)
    assert ledger.meet(Ask(3)) == Fresh()


def test_a_late_success_resolves_an_unknown_and_says_so() -> None:
    ledger = met(Ask(1), Ask(2))
    assert ledger.meet(Tell(1, SENT)) == Recorded(CallPhase.DONE, SENT, counts=True, late=True)
    refused = ledger.meet(decision(1, Word.DID_NOT_HAPPEN, 1))
    assert refused == LedgerRefused(Refusal.OUTCOME_CAME_FIRST, SENT)


def test_a_success_after_somebody_said_that_it_did_not_happen_keeps_the_next_attempt_from_calling() -> None:
    ledger = met(Ask(1), Ask(2), decision(1, Word.DID_NOT_HAPPEN, 1))
    assert ledger.meet(Tell(1, SENT)) == Recorded(CallPhase.DONE, SENT, counts=True, late=True)
    assert ledger.meet(Ask(2)) == Done(SENT)


def test_the_second_success_is_kept_as_evidence() -> None:
    ledger = met(Ask(1), Ask(2), decision(1, Word.RETRY, 1), Ask(2), Tell(2, SENT))
    assert ledger.meet(Tell(1, SENT_TWICE)) == Recorded(CallPhase.DONE, SENT, counts=False, late=False)
    assert [entry.outcome for entry in ledger.past if entry.happening is Happening.KEPT] == [SENT_TWICE]


def test_a_timeout_leaves_the_call_unknown_at_once() -> None:
    ledger = met(Ask(1))
    assert ledger.meet(Tell(1, TIMED_OUT)) == Recorded(CallPhase.UNKNOWN, None, counts=True, late=False)
    assert isinstance(ledger.meet(Ask(2)), Unknown)


def test_what_surely_did_not_happen_is_an_outcome_or_lets_the_next_attempt_call_as_it_says() -> None:
    assert met(Ask(1), Tell(1, REJECTED)).meet(Ask(2)) == Done(REJECTED)
    assert met(Ask(1), Tell(1, BUSY)).meet(Ask(2)) == Fresh()


def test_that_the_second_attempt_did_not_happen_says_nothing_of_the_first() -> None:
    ledger = met(Ask(1), Ask(2), decision(1, Word.RETRY, 1))
    assert ledger.meet(Ask(2)) == Fresh(again=True)
    assert ledger.meet(Tell(2, REJECTED)) == Recorded(CallPhase.UNKNOWN, None, counts=True, late=False)
    assert ledger.meet(Tell(1, REJECTED)) == Recorded(CallPhase.DONE, REJECTED, counts=True, late=True)


def test_a_persons_retry_still_allows_a_call_after_the_first_attempt_reports_that_it_did_not_happen() -> None:
    ledger = met(Ask(1), Ask(2), decision(1, Word.RETRY, 1))
    assert ledger.meet(Tell(1, REJECTED)) == Recorded(CallPhase.CLEARED, None, counts=False, late=False)
    assert ledger.meet(Ask(2)) == Fresh(again=False)


def test_what_a_zombie_did_not_do_says_nothing_of_the_attempt_that_is_on_its_way() -> None:
    evidence = Recorded(CallPhase.INTENDED, None, counts=False, late=False)
    cleared = met(Ask(1), Ask(2), decision(1, Word.DID_NOT_HAPPEN, 1), Ask(2))
    for ledger in (cleared, met(Ask(1), Ask(2), call=REPEATABLE)):
        assert ledger.meet(Tell(1, REJECTED)) == evidence
        assert ledger.meet(Tell(1, TIMED_OUT)) == evidence


def test_what_may_be_repeated_is_called_again_until_its_outcome_is_there() -> None:
    ledger = met(Ask(1), call=REPEATABLE)
    assert ledger.meet(Ask(1)) == Fresh(again=True)
    assert ledger.meet(Ask(2)) == Fresh(again=True)
    assert ledger.meet(Ask(1)) == Superseded(by=2)
    ledger.meet(Tell(2, SENT))
    assert ledger.meet(Ask(3)) == Done(SENT)


def test_the_key_of_another_call_is_refused_with_what_differs() -> None:
    ledger = met(Ask(1))
    ledger.call = CALL.model_copy(update={"tool": "create_ticket"})
    with pytest.raises(
        KeyTaken, match=r"tool 'send_message' and now 'create_ticket'.*: give each call a key of its own"
    ):
        ledger.meet(Ask(2))


def test_the_key_that_a_tool_passes_on_names_one_call_of_one_tenant_and_run() -> None:
    key = StepKey(tenant="acme", workflow_id="acme:one", run_id="run", step="call-1")
    others = [key.model_copy(update=other) for other in ({"tenant": "ac"}, {"run_id": "run2"}, {"step": "call-11"})]
    assert len({each.idempotency_key for each in (key, *others)}) == 4
    # A key that was passed on before must be found again by a later attempt.
    assert key.idempotency_key == "8d15f0bd62e58a97aadefa68dbbb037362a8baa1a64cd109b90d0dcef5d001cb"


def test_each_refusal_of_a_decision_says_why() -> None:
    unknown = (Ask(1), Ask(2))
    first = decision(1, Word.DID_HAPPEN, 1)
    other = decision(2, Word.DID_NOT_HAPPEN, 1)
    for happened, refused, why in [
        ((), first, Refusal.NEVER_INTENDED),
        ((Ask(1),), first, Refusal.IN_FLIGHT),
        ((*unknown, Tell(1, SENT)), first, Refusal.OUTCOME_CAME_FIRST),
        ((*unknown, first), other, Refusal.DECIDED_ALREADY),
        ((*unknown, other), first, Refusal.MAY_CALL_ALREADY),
        ((*unknown, other, Ask(2), Ask(3)), first, Refusal.ANOTHER_ATTEMPT),
        ((*unknown, first), decision(1, Word.RETRY, 1), Refusal.ID_TAKEN),
    ]:
        answer = met(*happened).meet(refused)
        assert isinstance(answer, LedgerRefused), (answer, why)
        assert answer.why is why


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"word": Word.DID_HAPPEN}, "result belongs to did_happen"),
        ({"word": Word.RETRY, "result": SENT.result}, "result belongs to did_happen"),
        ({"word": Word.RETRY, "source": Source.RECONCILE}, "only a person may take the risk"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Decision.strictly({"decision_id": "d", "attempt": 1, "by": "ann", **fields})


def test_what_may_have_happened_cannot_be_called_retryable() -> None:
    with pytest.raises(BadInput, match="may_retry needs did_not_happen"):
        Failed.strictly({"reason": "", "did_not_happen": False, "may_retry": True})
    assert isinstance(SENT, Succeeded)
