"""The trail of a run says who started it and who decided what, in order, and also what was refused and rejected."""

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.adapters.databases.database import Database
from activities.adapters.sql.audit import SqlAudit
from activities.adapters.sql.audit_trail import SqlAuditTrail
from activities.adapters.sql.callers import SqlCallers
from activities.adapters.sql.decisions import SqlDecisions
from activities.ports import ShownCaller
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.caller import Identity
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision

KEY = StepKey(tenant="acme", workflow_id="acme:pay-1", run_id="r", step="call-1-1")
EARLIER = datetime.now(UTC) - timedelta(minutes=5)


def shown(ticket: str, **fields: Any) -> ShownCaller:
    return ShownCaller(ticket=ticket * 64, workflow_id="acme:pay-1", sent_at=EARLIER, **fields)


def decided(ruling: Ruling | None, **fields: Any) -> RecordedDecision:
    digests = dict.fromkeys(("content", "binding", "tool_digest", "arguments", "policy"), "1" * 64)
    return RecordedDecision.model_validate({**digests, "ruling": ruling, "tool": "pay", **fields})


async def test_a_run_is_followed_from_its_start_to_its_last_decision(database: Database) -> None:
    callers, ledger, audit = SqlCallers(database), SqlDecisions(database), SqlAudit(database)
    await callers.show("acme", shown("a", refused="the signature is another's"))
    in_an_hour = EARLIER + timedelta(hours=1)
    await callers.show("acme", shown("b", identity=Identity(subject="ola"), expires_at=in_an_hour))
    await ledger.record(KEY, decided(None))
    await ledger.record(KEY, decided(Ruling.APPROVE, decision_id="1", by="ada", verified=True))
    late = StepDecision(decision_id="2", step="call-1-1", digest="1" * 64, ruling=Ruling.DENY, by="eve")
    await audit.write("acme", "pay-1", late, "it is decided already")

    trail = await SqlAuditTrail(database).read("acme", "pay-1")
    assert [(entry.what, entry.who, entry.verified) for entry in sorted(trail, key=lambda entry: entry.what)] == [
        ("approve", "ada", True),
        ("asked", "", False),
        ("refused", "", False),
        ("rejected", "eve", False),
        ("started", "ola", True),
    ]
    assert [entry.at for entry in trail] == sorted(entry.at for entry in trail)
    assert {entry.what for entry in trail[:2]} == {"refused", "started"}
    assert next(entry.why for entry in trail if entry.what == "rejected") == "deny: it is decided already"


async def test_what_the_policy_decided_says_that_nobody_did_in_time(database: Database) -> None:
    await SqlDecisions(database).record(KEY, decided(Ruling.DENY, decision_id="p", by="the policy", lapsed=True))
    [entry] = await SqlAuditTrail(database).read("acme", "pay-1")
    assert (entry.who, entry.why) == ("the policy", "pay: nobody decided in time")


async def test_the_trail_of_another_tenants_run_of_the_same_id_is_empty(database: Database) -> None:
    await SqlDecisions(database).record(KEY, decided(None))
    await SqlAudit(database).write(
        "acme", "pay-1", StepDecision(decision_id="2", step="s", digest="1" * 64, ruling=Ruling.DENY, by="eve"), "late"
    )
    assert await SqlAuditTrail(database).read("other", "pay-1") == ()
    assert await SqlAuditTrail(database).read("acme", "pay-2") == ()
