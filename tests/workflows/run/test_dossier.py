"""What a person decides about is on the run's page, whatever a task, a model or a document wrote into it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.text import Text
from perdure.contracts.tool_calls.briefing import MOST_READ, Briefing, Excerpt, ReadText
from perdure.contracts.tool_calls.decisions import EarlierDecision, PendingStep, Ruling, StepDecision
from tests.state_machines.trials.agent_states import GUARDED, NOW, call, run_of
from workflows.run.dossier import MOST_BYTES, block, dossier
from workflows.state_machines import tool_call
from workflows.state_machines.decisions import DECIDED, noted, pending

MARKS = st.sampled_from(
    ["```", "~~~", "`", "\n", "\r", "\x1b[2J", "\u202e", "$$", "<b>", "|", "[a](b)", "é", "\U0001f40c"]
)
HOSTILE = st.lists(MARKS | st.text(max_size=20), max_size=40).map("".join)


def repeated(text: str, times: int) -> str:
    return text * times


LONG = st.builds(repeated, HOSTILE, st.integers(1, 400))


def briefing(task: str, words: str, read: list[str]) -> Briefing:
    texts = [ReadText(call="call-1-1", tool=text, asked=text, title=text, head=text) for text in read]
    return Briefing(task=Excerpt.of(task, 600), words=Excerpt.of(words, 400), read=tuple(texts[:MOST_READ]))


def page(arguments: Any, told: Briefing | None = None, calls: int = 1) -> list[str]:
    """Return the paragraphs about some calls with these arguments."""
    waiting = [
        tool_call.awaiting_approval(call("pay", n), GUARDED, Text.of(json.dumps(arguments)), NOW)
        for n in range(1, calls + 1)
    ]
    run = run_of(*waiting, briefing=told)
    return list(dossier(run, pending(run), "RUN"))


@given(st.dictionaries(HOSTILE, LONG, max_size=3), LONG, HOSTILE, st.lists(HOSTILE, max_size=10), st.integers(1, 16))
def test_no_text_leaves_its_block_and_all_of_them_fit_the_page(
    arguments: dict[str, str], task: str, words: str, read: list[str], calls: int
) -> None:
    paragraphs = page(arguments, briefing(task, words, read), calls)
    text = "\n\n".join(paragraphs)
    fences = [line for line in text.split("\n") if "```" in line]
    assert fences == ["```text", "```"] * (len(fences) // 2)
    assert not {"\x1b", "\u202e", "\r"} & set(text)
    assert sum(len(paragraph.encode()) for paragraph in paragraphs) <= MOST_BYTES + 200
    assert paragraphs[0].startswith("**call-1-1** asks with these arguments:")


@given(st.text())
def test_a_block_has_one_line_for_each_line_and_no_backtick(line: str) -> None:
    inside = block([line]).split("\n")[1:-1]
    assert len(inside) == 1
    assert "`" not in inside[0]


def test_arguments_that_name_half_of_a_surrogate_pair_are_shown() -> None:
    waiting = tool_call.awaiting_approval(call("pay", 1), GUARDED, Text.of('{"a": "\\ud800"}'), NOW)
    run = run_of(waiting)
    assert "\\ud800" in "".join(dossier(run, pending(run), "RUN"))


def test_a_page_says_what_is_cut_and_where_all_of_it_is() -> None:
    assert "more characters]" in page({"text": "x" * 10_000})[0]
    many = page({"text": "é" * 10_000}, briefing("é" * 600, "é" * 400, ["é" * 300] * 10), 16)
    assert many[-1] == "*The rest is too long for this page*: `perdure show RUN`"


def test_a_run_without_a_briefing_shows_the_arguments_alone() -> None:
    assert len(page({"n": 1})) == 1
    assert list(dossier(run_of(), (), "RUN")) == []


def test_the_newest_decisions_that_counted_are_shown_with_who_made_them_and_why() -> None:
    [step] = pending(run_of(tool_call.awaiting_approval(call("pay", 1), GUARDED, Text.of("{}"), NOW)))
    run = run_of(tool_call.awaiting_approval(call("pay", 1), GUARDED, Text.of("{}"), NOW))
    for number in range(DECIDED + 5):
        run = noted(run, decided(step, f"p{number}"), "pay", NOW, verified=number % 2 == 0)
    assert [one.by for one in run.decided] == [f"p{number}" for number in range(5, DECIDED + 5)]
    last = run.decided[-1]
    assert last == EarlierDecision(
        step=step.step, tool="pay", ruling=Ruling.DENY, by=f"p{DECIDED + 4}", verified=True, at=NOW, reason="no"
    )
    text = "".join(dossier(run, pending(run), "RUN"))
    assert f"call-1-1 pay: deny, by p{DECIDED + 4} (no)" in text
    assert f"by p{DECIDED + 3}, unverified (no)" in text


def decided(step: PendingStep, by: str) -> StepDecision:
    return StepDecision(decision_id=by, step=step.step, digest=step.digest, ruling=Ruling.DENY, by=by, reason="no")
