"""What a caller gives is used exactly as it is, or refused in one line: ids, numbers, texts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.budget import LARGEST_LIMIT, Budget
from perdure.contracts.contract import BadInput
from perdure.contracts.legibility import is_blank
from perdure.contracts.runs.control import Pause, Resume
from perdure.contracts.runs.listing import RunFilter
from perdure.contracts.runs.run import AgentRequest, AskRequest, ExtractRequest
from perdure.contracts.runs.schedules import Timetable
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from perdure.runs import checked_id, checked_name

DIGEST = "0" * 64
UNSEEN = st.text(
    st.sampled_from(" \t\n\u00a0\u200b\u200c\u200d\u2060\ufeff\u00ad\u2028\u3000\u3164\u2800\ufe0f"), max_size=4
)
HALVES = st.sampled_from(["\ud83d", "\udc00", "a\udfffb", "\ud800"])
INEXACT: st.SearchStrategy[Any] = (
    st.booleans() | st.floats() | st.integers(max_value=-1) | st.integers(min_value=LARGEST_LIMIT + 1)
    | st.text(max_size=5) | st.just(10**5000) | st.lists(st.integers(), max_size=1)
)  # fmt: skip


def refused(build: Any, *where: str) -> None:
    with pytest.raises(BadInput) as refusal:
        build()
    lines = str(refusal.value).splitlines()
    assert len(lines) == max(1, len(where))
    assert all(line.isascii() or line.isprintable() for line in lines)
    assert [line.partition(":")[0] for line in lines] == list(where) or not where


@given(st.sampled_from(["steps", "tool_calls", "input_tokens", "output_tokens", "micro_dollars"]), INEXACT)
def test_a_limit_that_is_no_whole_number_from_zero_is_refused_in_one_line(limit: str, value: Any) -> None:
    refused(lambda: Budget(**{limit: value}), limit)
    refused(lambda: Budget.strictly({limit: value}), limit)
    refused(lambda: AskRequest.strictly({"question": "Why?", "budget": {limit: value}}), f"budget.{limit}")


@given(st.integers(0, LARGEST_LIMIT))
def test_a_limit_of_any_whole_number_is_kept_and_zero_is_one(value: int) -> None:
    assert Budget(steps=value).steps == value


@pytest.mark.parametrize("value", [-1, True, "5", 0, None])
def test_a_limit_without_its_name_is_refused_in_one_line(value: Any) -> None:
    untyped: Any = Budget
    refused(lambda: untyped(value))
    refused(lambda: untyped(step=3), "step")


def test_each_mistake_has_its_line_with_place_value_and_remedy() -> None:
    fields = {"question": "\u200b", "tenant": "A b", "budget": Budget(), "within": timedelta(days=-1)}
    with pytest.raises(BadInput) as refusal:
        AskRequest.strictly(fields)
    lines = str(refusal.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["question", "tenant", "within"]
    assert (
        "tenant: String should match pattern '^[a-z0-9][a-z0-9-]{0,62}$' (got 'A b'): use 1 to 63 lower-case letters"
        in str(refusal.value)
    )


@given(UNSEEN)
def test_a_text_that_shows_nothing_is_an_empty_one(blank: str) -> None:
    assert is_blank(blank)
    refused(lambda: AskRequest.strictly({"question": blank}), "question")
    refused(lambda: AgentRequest.strictly({"task": blank, "agent": "tester"}), "task")
    refused(lambda: ExtractRequest.strictly({"schema_name": "invoice", "file": {"text": blank}}))
    refused(lambda: checked_id(blank), "business_id")
    refused(lambda: checked_name(blank), "tenant")
    for request in (Pause, Resume):
        refused(lambda request=request: request.strictly({"by": blank}), "by")


@given(st.text(min_size=1).filter(lambda text: any(sign.isalnum() for sign in text)))
def test_a_text_with_a_letter_or_a_digit_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@given(HALVES)
def test_half_of_a_surrogate_pair_is_refused_in_one_line_wherever_a_text_enters(half: str) -> None:
    decision: dict[str, Any] = {"decision_id": "1", "step": "call-1-1", "digest": DIGEST, "by": "ann"}
    entries: list[Any] = [
        lambda: AskRequest.strictly({"question": half}),
        lambda: AskRequest(question=half),  # pyright: ignore[reportArgumentType] - as a caller may write it
        lambda: AgentRequest.strictly({"task": half, "agent": "tester"}),
        lambda: AgentRequest.strictly({"task": "Count.", "agent": "tester", "started_by": half}),
        lambda: ExtractRequest.strictly({"schema_name": "invoice", "file": {"name": half, "text": "Total: 1"}}),
        lambda: Text.of(half),
        lambda: StepDecision(**decision, ruling=Ruling.DENY, reason=half),
        lambda: StepDecision(**decision, ruling=Ruling.ANSWER, answer={"a": ["b", half]}),
        lambda: StepDecision(**decision, ruling=Ruling.ANSWER, answer={half: 1}),
        lambda: StepDecision(**decision, ruling=Ruling.APPROVE, arguments={"to": half}),
        lambda: StepDecision.strictly(decision | {"by": half, "ruling": Ruling.DENY}),
        lambda: Pause.strictly({"by": "ann", "reason": half}),
        lambda: Timetable(cron=(half,)),
        lambda: Timetable.strictly({"cron": ("@daily",), "time_zone": half}),
        lambda: RunFilter(outcome=half),
        lambda: checked_id(half),
        lambda: checked_name(half),
    ]
    for entry in entries:
        refused(entry)


def test_what_a_machine_stored_is_read_as_before() -> None:
    assert Budget.model_validate_json('{"steps": 3, "later": true}').steps == 3
    stored = StepDecision(decision_id="1", step="s", digest=DIGEST, ruling=Ruling.DENY, by="ann").model_dump_json()
    assert StepDecision.model_validate_json(stored).by == "ann"
