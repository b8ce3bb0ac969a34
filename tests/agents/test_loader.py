"""A spec that cannot be used is answered with the file, the key and the remedy."""

from datetime import timedelta
from pathlib import Path

import pytest

from activities.settings import ROOT
from agents.chain_file import parse_chain
from agents.loader import BadSpec, Kind, Specs
from evals.questions import HANDBOOK, load
from perdure.contracts.guards import DEADLINE, OnFailure

GOOD = 'collection = "books"\nsystem = "Answer."\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("collection = ", "agents/x.toml is not TOML"),
        (GOOD + "colour = 'red'", "agents/x.toml: colour: Extra inputs are not permitted"),
        ('collection = "books"', "system: Field required"),
        (GOOD + "passages = 0", "passages: Input should be greater than or equal to 1 (got 0)"),
        (GOOD + "[[screen]]\naction = 'block'", "screen.0.guard: Field required"),
        (GOOD + "[[check]]\nguard = 'a'\naction = 'warn'", "check.0.action"),
        (GOOD + "[[check]]\nguard = 'a'\ndeadline = 60", "check.0.deadline: Input should be less than or equal to 8"),
        (GOOD + "[[check]]\nguard = 'a'\non_failure = 'ajar'", "check.0.on_failure"),
        (
            GOOD + "[[examples]]\nsentences = ['a']\nparts = ['b', 'c']\nsources = [1]\nanswers = ['d']",
            "examples.1: give one source and one answer for each part",
        ),
    ],
)
def test_a_mistake_names_the_file_and_the_key(text: str, complaint: str) -> None:
    with pytest.raises(BadSpec) as refusal:
        parse_chain("x", text.encode())
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_guards_deadline_is_in_seconds_and_what_its_failure_means_is_said() -> None:
    text = GOOD + "[[screen]]\nguard = 'a'\ndeadline = 1.5\non_failure = 'open'\n[[check]]\nguard = 'b'"
    spec = parse_chain("x", text.encode())
    assert (spec.screen[0].deadline, spec.screen[0].on_failure) == (timedelta(seconds=1.5), OnFailure.OPEN)
    assert (spec.check[0].deadline, spec.check[0].on_failure) == (DEADLINE, OnFailure.CLOSED)


def test_the_guards_of_all_chains_are_known_and_a_broken_chain_names_none(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD + "[[screen]]\nguard = 'a'\n[[check]]\nguard = 'b'")
    (tmp_path / "films.toml").write_text("[[screen]]\nguard = 'c'")
    assert Specs(tmp_path).guards() == {"a", "b"}


def test_an_unknown_chain_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD)
    with pytest.raises(BadSpec, match=r"there is no chain 'films': the chains in .* are books"):
        Specs(tmp_path).chain("films")


def test_an_edit_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD)
    before = Specs(tmp_path).chain("books")
    (tmp_path / "books.toml").write_text(GOOD + "# a comment\n")
    assert Specs(tmp_path).chain("books").digest != before.digest


@pytest.mark.parametrize("name", ["golden", "demo", "calibration"])
def test_no_question_of_a_data_set_stands_in_a_prompt(name: str) -> None:
    specs = Specs(ROOT / "agents")
    prompts = [specs.chain(chain).instructions.body or "" for chain in specs.names(Kind.CHAIN)]
    questions = [question.question for question in load(HANDBOOK / f"{name}.toml")]
    assert prompts
    assert questions
    assert not [question for question in questions for prompt in prompts if question.casefold() in prompt.casefold()]
