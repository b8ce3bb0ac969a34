"""A rejected decision is stored once, without its credential, and readable by its own tenant only."""

import pytest

from activities.adapters.databases.database import Database
from activities.adapters.sql.audit import SqlAudit
from activities.effects.auditing import LARGEST, Auditing
from activities.ports import Audit, AuditFull
from perdure.contracts.agents.steps import AuditDecision
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision

SAID = StepDecision(
    decision_id="1", step="call-1-1", digest="1" * 64, ruling=Ruling.DENY, by="eve", credential="sealed"
)


@pytest.fixture
def audit(database: Database) -> Audit:
    return SqlAudit(database)


async def test_the_same_decision_is_written_down_once(audit: Audit) -> None:
    assert [await audit.write("acme", "run", SAID, "over") for _ in range(2)] == [1, 1]
    assert await audit.read("acme", "run") == ((SAID.bare(), "over"),)


async def test_another_decision_under_the_same_id_is_kept_beside_it(audit: Audit, reopened: Database) -> None:
    other = SAID.model_copy(update={"by": "ann"})
    assert await audit.write("acme", "run", SAID, "over") == 1
    assert await audit.write("acme", "run", other, "over") == 2
    assert [decision.by for decision, _ in await SqlAudit(reopened).read("acme", "run")] == ["eve", "ann"]


async def test_nobody_reads_what_is_another_tenants(audit: Audit) -> None:
    await audit.write("acme", "run", SAID, "over")
    assert await audit.read("other", "run") == ()
    assert await audit.read("acme", "another") == ()


async def test_a_run_has_a_bounded_number_of_entries_and_a_repeat_adds_none(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.adapters.sql.audit.MAX_DECISIONS", 3)
    several = [SAID.model_copy(update={"decision_id": str(number)}) for number in range(4)]
    for one in several[:3]:
        await audit.write("acme", "run", one, "over")
    with pytest.raises(AuditFull, match="3 decisions were written down about run 'run'"):
        await audit.write("acme", "run", several[3], "over")
    assert await audit.write("acme", "run", several[0], "over") == 1
    assert len(await audit.read("acme", "run")) == 3
    assert await audit.write("acme", "another", several[3], "over") == 1
    assert await audit.write("globex", "run", several[3], "over") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": "x" * 2001},
        {"business_id": ""},
        {"business_id": "x" * 201},
        {"decision": SAID.model_copy(update={"reason": "x" * LARGEST})},
        {"decision": SAID.model_copy(update={"result": "x" * LARGEST})},
    ],
    ids=["reason", "no id", "long id", "the decision's reason", "its result"],
)
async def test_an_entry_larger_than_any_run_accepts_is_not_stored(audit: Audit, changed: dict[str, object]) -> None:
    ask = AuditDecision(tenant="acme", business_id="run", decision=SAID, reason="over")
    with pytest.raises(AuditFull):
        await Auditing(audit).audit_decision(ask.model_copy(update=changed))
    assert await audit.read("acme", "run") == ()
