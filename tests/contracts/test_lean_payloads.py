"""What an agent's effects are asked and reply is told in few bytes, and older payloads that say more still decode."""

import json

from perdure.contracts.agent_steps import Think
from perdure.contracts.budget import Spend
from perdure.contracts.compaction import Compact
from perdure.contracts.contract import Contract
from perdure.contracts.converter import data_converter
from perdure.contracts.spec import Deployment, Prices
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.transcript import Role, Transcript, Turn

SMALL = Deployment(name="small", tier="fast", task_queue="q", context_window=1000, prices=Prices(input=2, output=3))
TOLD = Transcript().add(Turn(role=Role.USER, body=Text.of("Hello.")))
ASKED = {
    "key": StepKey(tenant="acme", workflow_id="acme:1", run_id="1", step="think-1"),
    "attempt": 1,
    "pinned": Text.of("{}").reference(),
    "worst": Spend(steps=1, input_tokens=5),
}
THINK = Think.model_validate({**ASKED, "deployment": SMALL.priced, "transcript": TOLD.unpriced()})
COMPACT = Compact.model_validate({**THINK.model_dump(), "covers": "0" * 64})


def written(value: Contract) -> str:
    """The JSON of a value's payload."""
    return data_converter.payload_converter.to_payload(value).data.decode()


def test_a_paid_call_is_told_of_its_deployment_what_it_is_called_and_what_it_costs() -> None:
    for ask in (THINK, COMPACT):
        told = json.loads(written(ask))
        assert told["deployment"] == {"name": "small", "prices": {"input": 2, "output": 3}}
        assert told["transcript"].keys() == {"fresh"}


def test_a_thought_that_was_told_more_is_read_as_one_that_was_not() -> None:
    more = {**THINK.model_dump(mode="json"), "deployment": SMALL.model_dump(mode="json")}
    assert Think.model_validate_json(json.dumps(more)) == THINK
    assert TOLD.unpriced().head == TOLD.head
