"""A task is done if the desk has the expected write, once, with the facts, and the answer has the facts too."""

import tomllib

import pytest

from activities.settings import ROOT
from evals.agent_tasks import TASKS, AgentTask, claimed, load, score

SETS = sorted(file.stem for file in TASKS.glob("*.toml"))
TICKET = {"title": "Permit", "text": "It costs 35 euros."}
MESSAGE = {"to": "The Sales team", "text": "36 months"}
WRITES = AgentTask(id="t", agent="support", task="Open one.", tickets=1, facts=("35 euros",))
SENDS = AgentTask(id="m", agent="operations", task="Tell sales.", messages=1, to="sales", facts=("36 months",))
ASKS = AgentTask(id="q", agent="support", task="How much?", facts=("35 euros",))


def test_a_task_is_done_with_the_write_the_fact_and_the_answer() -> None:
    assert score(WRITES, "answered", "35 Euros", {"tickets": [TICKET], "messages": []}, 1).done
    assert score(SENDS, "answered", "For 36 months.", {"tickets": [], "messages": [MESSAGE]}, 1).done
    assert score(ASKS, "answered", "35 euros.", {"tickets": [], "messages": []}, 0).done


@pytest.mark.parametrize(
    ("writes", "received"),
    [
        ({"tickets": [], "messages": []}, 0),
        ({"tickets": [TICKET, TICKET], "messages": []}, 1),
        ({"tickets": [TICKET], "messages": []}, 2),
        ({"tickets": [], "messages": [MESSAGE]}, 1),
    ],
)
def test_another_number_of_writes_than_asked_for_is_wrong(
    writes: dict[str, list[dict[str, str]]], received: int
) -> None:
    result = score(WRITES, "answered", "35 euros", writes, received)
    assert (result.writes, result.written, result.answer) == (False, False, True)


def test_a_write_without_the_fact_or_to_somebody_else_is_wrong() -> None:
    guessed = {"tickets": [{**TICKET, "text": "It costs 10 euros."}], "messages": []}
    assert not score(WRITES, "answered", "35 euros", guessed, 1).written
    strayed = {"tickets": [], "messages": [{**MESSAGE, "to": "facilities"}]}
    assert not score(SENDS, "answered", "36 months", strayed, 1).written


def test_an_answer_needs_a_fact_and_the_right_ending() -> None:
    nothing: dict[str, list[dict[str, str]]] = {"tickets": [], "messages": []}
    assert not score(ASKS, "answered", "10 euros", nothing, 0).answer
    assert not score(ASKS, "failed", "35 euros", nothing, 0).answer


def test_a_run_that_only_says_so_is_told_apart_from_one_that_says_that_it_is_not_done() -> None:
    nothing: dict[str, list[dict[str, str]]] = {"tickets": [], "messages": []}
    assert claimed(WRITES, "answered", nothing)
    assert not claimed(WRITES, "unfinished", nothing)
    assert not claimed(WRITES, "answered", {"tickets": [TICKET], "messages": []})
    assert not claimed(ASKS, "answered", nothing)
    assert (WRITES.requires, SENDS.requires, ASKS.requires) == (("create_ticket",), ("send_message",), ())


@pytest.mark.parametrize("name", SETS)
def test_every_task_names_an_agent_that_is_shipped_and_can_write_what_it_asks_for(name: str) -> None:
    for task in load(TASKS / f"{name}.toml"):
        granted = tomllib.loads((ROOT / "agents" / f"{task.agent}.toml").read_text())["tools"]
        assert not task.tickets or "create_ticket" in granted, task.id
        assert not task.messages or "send_message" in granted, task.id


def test_no_task_stands_in_two_sets() -> None:
    every = [task.task for name in SETS for task in load(TASKS / f"{name}.toml")]
    assert len(every) == len(set(every))
