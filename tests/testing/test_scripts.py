"""A script in the task sets the stub model's replies; an error in it is one line."""

import json

import pytest

from perdure.contracts.contract import BadInput
from perdure.testing.script import Script, Turn, answer, calls, find_script

TICKET = ("create_ticket", {"title": "Leak", "text": "The roof leaks."})


def test_a_task_holds_its_script_whatever_stands_around_it() -> None:
    script = Script.of("r-1", [calls(TICKET, ("calculator", {"expression": "6 * 7"}), pause=0.5), answer("Done.")])
    assert find_script(f"Be quick. {script.task('Open {a} ticket.')} And then rest.") == script


def test_a_script_may_be_written_by_hand() -> None:
    script = find_script('do {"x"} this:\n{ "stub" :{"run": "by-hand", "turns": [{"answer": "Hello."}]}}')
    assert script == Script.of("by-hand", [answer("Hello.")])


def test_words_without_a_script_have_none() -> None:
    assert find_script('What is {"a": 1}?') is None


@pytest.mark.parametrize(
    ("turn", "met"),
    [
        (answer("x"), [None, None]),
        (answer("x", fails=1), [503, None]),
        (answer("x", fails=1, status=429), [429, None]),
        (answer("x", status=500), [500, 500]),
        (answer("x", fails=1, drop=True), [0, None]),
        (answer("x", drop=True), [0, 0]),
    ],
)
def test_a_turn_fails_for_as_many_calls_as_it_says(turn: Turn, met: list[int | None]) -> None:
    assert [turn.fails_with(attempt) for attempt in (1, 2)] == met


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        (list[object](), "turns: "),
        ([dict[str, object]()], "either calls of tools or an answer"),
        ([{"answer": "x", "calls": [{"name": "calculator"}]}], "either calls of tools or an answer"),
        ([{"answer": "x", "drop": True, "status": 500}], "refused with a status or dropped"),
        ([{"answer": "x", "status": 200}], "turns.0.status: "),
        ([{"answer": "x", "pauze": 1}], "turns.0.pauze: "),
    ],
)
def test_a_script_that_cannot_be_played_is_named(turns: list[object], reason: str) -> None:
    with pytest.raises(BadInput) as error:
        find_script(json.dumps({"stub": {"run": "r", "turns": turns}}))
    assert str(error.value).startswith("the script in the task: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_turn_that_is_wrong_is_named_where_it_is_made() -> None:
    with pytest.raises(BadInput, match="a turn of a script: pause: "):
        answer("x", pause=-1)
    with pytest.raises(BadInput, match="the script of 'r': turns: "):
        Script.of("r", [])
