"""The policy of a tool says whose decision counts; with four eyes, never the decision of who started the run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey
from temporalio.client import Client

from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Escalation, Trust
from perdure.contracts.tool_calls.decisions import Accepted, DecisionReply, Rejected, Ruling, StepDecision
from perdure.runs import workflow_id
from tests.support.runs.people import Grants, calls, decision, message, signed, waiting
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

DONE = {"content": "Done."}
SIGNED = ApprovalPolicy(trust=Trust.SIGNED)


def reason(reply: DecisionReply) -> str:
    assert isinstance(reply.came, Rejected)
    return reply.came.reason


async def started(platform: Platform, stub: StubModel, by: str = "sam") -> str:
    stub.script = [calls(message()), DONE]
    return await platform.start_agent("Write to bob.", agent="clerk", started_by=by)


async def ended(platform: Platform, run: str) -> None:
    [step] = await platform.pending(run)
    await platform.cancel(run)
    await platform.result(run)
    assert step


async def test_a_signed_decision_is_verified_and_an_unsigned_one_is_not(platform: Platform, stub: StubModel) -> None:
    stub.script = [calls(message("one"), message("two")), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    first, second = await waiting(platform, run, 2)
    plain = (await platform.decide(run, decision(first))).came
    sealed = (await platform.decide(run, signed(decision(second), run))).came
    assert isinstance(plain, Accepted)
    assert isinstance(sealed, Accepted)
    assert (plain.verified, sealed.verified) == (False, True)
    await platform.result(run)


def other_key(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run, key=ECKey.generate_key("P-256", parameters={"kid": "tests"}))


def unknown_key(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run, key=ECKey.generate_key("P-256", parameters={"kid": "who"}))


def expired(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run, now=datetime.now(UTC) - timedelta(hours=2))


def long_lived(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run, lifetime=timedelta(days=30))


def another_run(genuine: StepDecision, _: str) -> StepDecision:
    return signed(genuine, "another")


def another_audience(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run, aud="payroll")


def another_name(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run).model_copy(update={"by": "boss"})


def other_arguments(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run).model_copy(update={"arguments": {"to": "eve", "text": "all of it"}})


def another_ruling(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine.model_copy(update={"ruling": Ruling.DENY}), run).model_copy(update={"ruling": Ruling.APPROVE})


def another_id(genuine: StepDecision, run: str) -> StepDecision:
    return signed(genuine, run).model_copy(update={"decision_id": "another"})


def no_jwt(genuine: StepDecision, _: str) -> StepDecision:
    return genuine.model_copy(update={"credential": "trust me"})


def no_signature(genuine: StepDecision, run: str) -> StepDecision:
    head, body, _ = (signed(genuine, run).credential or "").split(".")
    return genuine.model_copy(update={"credential": f"{head}.{body}."})


FORGED: dict[Callable[[StepDecision, str], StepDecision], str] = {
    other_key: "bad_signature",
    unknown_key: "a key that is not known here",
    expired: "it has expired",
    long_lived: "3600 s are the longest",
    another_run: "for another decision: run",
    another_audience: "aud",
    another_name: "for another decision: sub, said",
    other_arguments: "for another decision: said",
    another_ruling: "for another decision: ruling, said",
    another_id: "for another decision: jti, said",
    no_jwt: "cannot be believed",
    no_signature: "bad_signature",
}


async def test_a_credential_that_does_not_say_exactly_this_is_rejected(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = SIGNED
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    for forge, cause in FORGED.items():
        forged = forge(decision(step), run)
        rejection = reason(await platform.decide(run, forged))
        assert cause in rejection, forge.__name__
        assert (forged.credential or "")[-20:] not in rejection
    assert desk.received()["messages"] == {}
    assert isinstance((await platform.decide(run, signed(decision(step), run))).came, Accepted)
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


async def test_without_a_credential_nothing_counts_where_only_signed_decisions_do(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = SIGNED
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    assert "takes only signed decisions" in reason(await platform.decide(run, decision(step)))
    await ended(platform, run)
    assert desk.received()["messages"] == {}


@pytest.mark.parametrize("trust", Trust)
async def test_who_started_the_run_approves_nothing_in_it(
    platform: Platform, stub: StubModel, grants: Grants, trust: Trust
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(trust=trust)
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    assert step.barred == "sam"
    for by in ("sam", " Sam ", "SAM", "\uff53\uff41\uff4d"):
        unsigned = decision(step, by=by)
        rejection = reason(await platform.decide(run, signed(unsigned, run) if trust is Trust.SIGNED else unsigned))
        assert "nobody decides about their own" in rejection
    await ended(platform, run)


async def test_where_nobody_says_who_started_a_run_nobody_approves_it_by_signature(
    platform: Platform, stub: StubModel, grants: Grants
) -> None:
    grants.policies["send_message"] = SIGNED
    run = await started(platform, stub, by="")
    [step] = await waiting(platform, run)
    assert "start it with started_by" in reason(await platform.decide(run, signed(decision(step), run)))
    await ended(platform, run)


async def test_only_who_is_named_may_decide(platform: Platform, stub: StubModel, grants: Grants) -> None:
    grants.policies["send_message"] = ApprovalPolicy(
        names=("ann",), groups=("leads", "board"), members={"leads": ("lea",)}
    )
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    assert (step.names, step.groups) == (("ann",), ("leads", "board"))
    for foreign_decision in (decision(step), signed(decision(step), run, groups=("staff",))):
        rejection = reason(await platform.decide(run, foreign_decision))
        assert rejection == "'eve' may not decide about send_message: ann, the group leads, the group board may"
    assert isinstance((await platform.decide(run, signed(decision(step), run, groups=("board",)))).came, Accepted)
    await platform.result(run)


@pytest.mark.parametrize("by", ["ann", "lea"])
async def test_a_group_is_known_by_the_policys_own_list(
    platform: Platform, stub: StubModel, grants: Grants, by: str
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(names=("ann",), groups=("leads",), members={"leads": ("lea",)})
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    assert isinstance((await platform.decide(run, decision(step, by=by))).came, Accepted)
    await platform.result(run)


async def test_two_have_to_agree_to_the_same_call(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(quorum=2)
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    first = (await platform.decide(run, decision(step, by="ann"))).came
    assert isinstance(first, Accepted)
    assert first.missing == 1
    [step] = await platform.pending(run)
    assert [(voice.by, voice.verified) for voice in step.voices] == [("ann", False)]
    assert "has agreed already" in reason(await platform.decide(run, decision(step, by="Ann")))
    # Ben edits the call, so ann has not approved it as it is now.
    edited = (await platform.decide(run, decision(step, by="ben", arguments={"to": "bob", "text": "ho"}))).came
    assert isinstance(edited, Accepted)
    assert edited.missing == 1
    assert "another one by now" in reason(await platform.decide(run, decision(step, by="cyd")))
    [changed] = await platform.pending(run)
    assert "ho" in (changed.arguments.body or "")
    assert [voice.by for voice in changed.voices] == ["ben"]
    last = (await platform.decide(run, decision(changed, by="ann"))).came
    assert isinstance(last, Accepted)
    assert last.missing == 0
    await platform.result(run)
    [key] = desk.received()["messages"]
    assert [message["text"] for message in desk.became("messages", key)["messages"]] == ["ho"]


async def test_a_run_shows_who_decided_and_that_nobody_has_verified_it(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    run = await started(platform, stub)
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, ruling=Ruling.DENY, reason="no"))
    await platform.result(run)
    details = await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata")
    assert "**eve**\u2003| deny, unverified (no) |" in str(details)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"escalate": (Escalation(after=timedelta(hours=1), names=("ann",)),)}, "anybody may decide already"),
        ({"names": ("ann",), "quorum": 2}, "only 1 may"),
        (
            {
                "names": ("ann",),
                "timeout": timedelta(hours=1),
                "escalate": (Escalation(after=timedelta(hours=1), names=("ben",)),),
            },
            "not before the timeout",
        ),
    ],
)
def test_a_policy_under_which_nothing_could_be_decided_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ApprovalPolicy.model_validate(fields)
