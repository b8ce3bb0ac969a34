"""The rules of an approval policy, and two thousand runs of decisions in which no unapproved call is made."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import CheckedDecision
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import MOST_REMINDERS, ApprovalPolicy, Escalation, Trust
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.contracts.tool_calls.tools import Approval, ToolEffect, ToolSpec
from tests.state_machines.trials.decision_trial import NOW, Broken, Ended, Trial
from workflows.state_machines.approvals import (
    Due,
    Escalate,
    Lapse,
    Remind,
    decider_objection,
    lasted,
    next_due,
    passed,
    policy_digest,
    same_person,
)

DAY = timedelta(days=1)
TRIALS = 2000
WEEK = ApprovalPolicy(
    names=("ann",), remind=DAY, escalate=(Escalation(after=2 * DAY, names=("ben",)),), timeout=7 * DAY
)


def tool(policy: ApprovalPolicy | None = None) -> ToolSpec:
    return ToolSpec(
        name="write",
        digest="1" * 64,
        description="",
        parameters={},
        effect=ToolEffect.AT_MOST_ONCE,
        timeout=timedelta(seconds=30),
        approval=Approval.ALWAYS,
        policy=policy,
    )


def call(stage: CallStage = CallStage.AWAITING_APPROVAL) -> RequestedCall:
    return RequestedCall(id="call-1-1", tool="write", arguments=Text.of("{}"), stage=stage, since=NOW)


def test_in_two_thousand_runs_nothing_is_called_that_was_not_approved() -> None:
    ended = [Trial(seed).play() for seed in range(TRIALS)]
    assert sum(one.executed for one in ended) > TRIALS / 2, "approved calls are made"
    assert sum(one.refused for one in ended) > 10 * TRIALS
    assert {kind for one in ended for kind in one.kinds} == {
        *("fresh", "edited", "again", "late", "forged", "stolen", "other run", "twisted")
    }


def test_the_trial_sees_a_policy_that_lets_the_starter_approve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.state_machines.approvals._own_run_objection", nothing)
    with pytest.raises(Broken, match="the starter has approved"):
        _all()


def test_the_trial_sees_a_decision_that_names_another_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.state_machines.trials.decision_trial.objection", nothing)
    with pytest.raises(Broken):
        _all()


def nothing(*_: object) -> None:
    """Stands in for the check of a decision: nothing is objected to."""


def _all() -> list[Ended]:
    return [Trial(seed).play() for seed in range(300)]


def test_what_is_due_comes_in_the_order_of_its_time_and_the_end_before_a_reminder() -> None:
    waits = call()
    order: list[tuple[type[Due], timedelta]] = []
    while not isinstance(due := next_due(waits, tool(WEEK)), Lapse):
        assert due is not None
        order.append((type(due), due.at - NOW))
        waits = passed(waits, due)
    days = [(Remind, n * DAY) for n in range(1, 7)]
    assert sorted(order, key=lambda one: one[1]) == order
    assert [one for one in order if one[0] is Remind] == days
    assert [one for one in order if one[0] is Escalate] == [(Escalate, 2 * DAY)]
    assert due == Lapse(NOW + 7 * DAY)


def test_a_call_of_which_nobody_knows_is_never_decided_by_a_policy() -> None:
    waits = call(CallStage.UNKNOWN).model_copy(update={"escalations": 1, "reminders": MOST_REMINDERS - 1})
    assert isinstance(next_due(waits, tool(WEEK)), Remind)
    assert next_due(passed(waits, Remind(NOW)), tool(WEEK)) is None


def test_without_a_policy_a_call_waits_for_ever() -> None:
    assert next_due(call(), tool()) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sam", "Sam"),
        (" sam", "s am"),
        ("sam", "\uff53am"),
        ("sam", "\u017fam"),
        ("sam", "s\u200bam"),
        ("STRASSE", "straße"),
        ("ann", "\u00aann"),
    ],
)
def test_a_name_that_is_written_otherwise_is_the_same_person(one: str, other: str) -> None:
    assert same_person(one, other)
    assert not same_person(one, other + "2")


ODD = ("{}\u200b", " {}", "{}\u2060", "\u00ad{}", "{}\ufeff", "\u00a0{}")
"""Spellings of a name that look the same to people."""


@given(st.text(min_size=1, max_size=12), st.sampled_from([*ODD, "{}"]), st.sampled_from(["upper", "casefold", "strip"]))
def test_a_name_that_bars_is_found_however_it_is_written_and_grants_only_as_it_is_written(
    name: str, way: str, letters: str
) -> None:
    other = way.format(getattr(name, letters)())
    policy = ApprovalPolicy(trust=Trust.SIGNED, names=(name,), groups=("leads",), members={"leads": (name,)})
    decision = StepDecision.model_construct(ruling=Ruling.APPROVE, by=other, arguments=None)
    refused = decider_objection(
        call(), tool(policy), decision, CheckedDecision(), "somebody else entirely, and much longer"
    )
    assert (refused is None) == (other == name)
    assert (
        decider_objection(call(), tool(ApprovalPolicy()), decision, None, "", subject=name) is not None
        or not name.strip()
    )


@pytest.mark.parametrize("starter", [("sam", ""), ("", "sam"), ("eve", "sam"), ("sam", "eve")])
def test_whoever_is_said_to_have_started_the_run_decides_about_nothing_in_it(starter: tuple[str, str]) -> None:
    started_by, subject = starter
    decision = StepDecision(decision_id="1", step="call-1-1", digest="0" * 64, ruling=Ruling.APPROVE, by="SAM")
    assert "started the run" in (decider_objection(call(), tool(), decision, None, started_by, subject=subject) or "")


def test_the_digest_of_a_policy_is_that_of_all_that_is_granted_about_approval() -> None:
    others = [
        tool(ApprovalPolicy(quorum=2)),
        tool(WEEK),
        tool().model_copy(update={"approval": Approval.NEVER}),
        tool().model_copy(update={"name": "read"}),
        tool().model_copy(update={"asks": True}),
    ]
    assert len({policy_digest(one) for one in (tool(), *others)}) == 1 + len(others)


def test_how_long_somebody_was_waited_for_is_said_in_the_largest_unit_that_fits() -> None:
    durations = [
        lasted(one) for one in (7 * DAY, DAY, timedelta(hours=36), timedelta(minutes=1), timedelta(seconds=90))
    ]
    assert durations == ["7 days", "1 day", "36 hours", "1 minute", "90 seconds"]


def test_the_content_of_a_decision_is_every_word_of_it_and_not_its_credential() -> None:
    decision = StepDecision(
        decision_id="1", step="s", digest="0" * 64, ruling=Ruling.APPROVE, by="eve", arguments={"a": 1}
    )
    others: list[dict[str, Any]] = [
        {"decision_id": "2"},
        {"step": "t"},
        {"digest": "1" * 64},
        {"by": "ann"},
        {"reason": "because"},
        {"arguments": {"a": 1, "b": None}},
        {"arguments": None},
        {"arguments": {}},
        {"ruling": Ruling.DENY, "arguments": None},
    ]
    contents = {decision.content, *(decision.model_copy(update=other).content for other in others)}
    assert len(contents) == 1 + len(others)
    assert decision.model_copy(update={"credential": "x"}).content == decision.content
    assert "sealed" not in repr(decision.model_copy(update={"credential": "sealed"}))
