"""What is decided in vain is kept, once, without its credential, and for one tenant only."""

import pytest

from activities.adapters.sql_audit import SqlAudit
from activities.adapters.sql_database import Database
from activities.ports import Audit
from perdure.contracts.decisions import Ruling, StepDecision

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
    assert [said.by for said, _ in await SqlAudit(reopened).read("acme", "run")] == ["eve", "ann"]


async def test_nobody_reads_what_is_another_tenants(audit: Audit) -> None:
    await audit.write("acme", "run", SAID, "over")
    assert await audit.read("other", "run") == ()
    assert await audit.read("acme", "another") == ()
