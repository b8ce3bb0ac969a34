"""An agent's workflow refuses bad input with the same messages as a request does."""

import pytest
from pydantic import ValidationError

from perdure.contracts.contract import explain
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.text import Text


@pytest.mark.parametrize(
    ("task", "problem"), [("  ", "task: is empty: say what is to be done"), ("\0", "task: holds the control character")]
)
def test_a_bad_task_is_named_by_its_field(task: str, problem: str) -> None:
    with pytest.raises(ValidationError) as failed:
        AgentInput.model_validate({"agent": "tester", "task": task})
    assert explain(failed.value).startswith(problem)


def test_a_task_without_words_is_only_for_a_run_that_goes_on() -> None:
    with pytest.raises(ValidationError) as failed:
        AgentInput.model_validate({"agent": "tester", "task": Text.of("Count.").reference().model_dump()})
    assert "has no text: send the words themselves" in explain(failed.value)
