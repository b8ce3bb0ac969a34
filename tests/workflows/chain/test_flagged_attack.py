"""A question that reads like an attack runs on: the chain shows the finding and refuses nothing because of it."""

import pytest

from evals.questions import HANDBOOK, Kind, load
from perdure.client import Platform
from perdure.contracts.guards import GuardAction
from perdure.contracts.runs.run import Abstained
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

[ATTACK] = [one for one in load(HANDBOOK / "demo.toml") if one.kind is Kind.ATTACK]


async def test_a_question_that_reads_like_an_attack_is_flagged_and_not_refused(
    platform: Platform, stub: StubModel
) -> None:
    result = await platform.ask(ATTACK.question)
    [verdict] = [verdict for verdict in result.verdicts if verdict.guard == "injection"]
    assert (verdict.passed, verdict.action) == (False, GuardAction.FLAG)
    assert isinstance(result.outcome, Abstained)
    assert ATTACK.outcome == "abstained"
    assert stub.calls == 0
