"""The requests and replies of an agent's effects are short, and older, longer payloads still decode."""

import json

import pytest

from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import AskedCall, Think, Thought
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Deployment, Prices
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Contract
from perdure.contracts.temporal.converter import data_converter
from perdure.contracts.text import BRIEF, Text
from perdure.contracts.tool_calls.outcome import USUAL, Happened, ToolEnded, ToolOutcome

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

THOUGHT = Thought(said=Text.of(""), model="m", finish_reason="stop", prompt_digest="1" * 64, charges={})


def written(value: Contract) -> str:
    """Return the JSON of a value's payload."""
    return data_converter.payload_converter.to_payload(value).data.decode()


def test_a_paid_call_is_told_of_its_deployment_what_it_is_called_and_what_it_costs() -> None:
    for ask in (THINK, COMPACT):
        payload = json.loads(written(ask))
        assert payload["deployment"] == {"name": "small", "prices": {"input": 2, "output": 3}}
        assert payload["transcript"].keys() == {"fresh"}


@pytest.mark.parametrize("body", ["", "A note.", 'é深\n"', "x" * 1000])
def test_a_reply_writes_a_text_that_has_a_body_as_the_plain_string_it_is(body: str) -> None:
    text = Text.of(body)
    thought = THOUGHT.model_copy(update={"said": text})
    assert json.loads(written(thought))["said"] == body
    assert Thought.model_validate_json(written(thought)) == thought
    # The form of older payloads, and of a body that is too large.
    for other in (text, text.reference()):
        spelled = json.dumps({**json.loads(written(thought)), "said": other.model_dump(mode="json")})
        assert Thought.model_validate_json(spelled).said == other
        again = THOUGHT.model_copy(update={"said": other})
        assert Thought.model_validate_json(written(again)) == again
    # A sender's count of a body's tokens is never believed.
    claimed = json.dumps({**json.loads(written(thought)), "said": {**text.model_dump(mode="json"), "tokens": 1}})
    assert Thought.model_validate_json(claimed).said.tokens == len(body.encode())


def test_arguments_travel_with_a_thought_where_they_are_shorter_than_their_name() -> None:
    short, long = Text.of("x" * BRIEF), Text.of("x" * (BRIEF + 1))
    assert (short.inline_if_brief(), long.inline_if_brief()) == (short, long.reference())
    call = AskedCall(id="call-1-1", tool="read", arguments=short)
    assert len(written(call)) < len(written(call.model_copy(update={"arguments": long.reference()})))


@pytest.mark.parametrize("ended", ToolEnded)
@pytest.mark.parametrize("happened", Happened)
def test_an_outcome_says_how_it_ended_only_where_that_is_not_the_usual(ended: ToolEnded, happened: Happened) -> None:
    outcome = ToolOutcome(tool="read", ended=ended, happened=happened, result=Text.of("A note."))
    assert ToolOutcome.model_validate_json(written(outcome)) == outcome
    assert ToolOutcome.model_validate_json(outcome.model_dump_json()) == outcome
    assert ('"ended"' in written(outcome)) == (ended is not ToolEnded.RETURNED)
    assert ('"happened"' in written(outcome)) == (happened is not Happened.NO)


def test_how_a_call_usually_ends_never_changes_since_payloads_leave_it_out() -> None:
    assert USUAL == {"ended": "returned", "happened": "no"}


def test_a_thought_that_was_told_more_is_read_as_one_that_was_not() -> None:
    more = {**THINK.model_dump(mode="json"), "deployment": SMALL.model_dump(mode="json")}
    assert Think.model_validate_json(json.dumps(more)) == THINK
    assert TOLD.unpriced().head == TOLD.head
