"""An invalid spec is refused with the file, the key and the remedy."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from activities.settings import ROOT
from agents.chain_file import parse_chain
from agents.loader import BadSpec, Kind, Specs
from evals.questions import HANDBOOK, load
from perdure.contracts.guards import DEADLINE, OnFailure
from perdure.contracts.tool_calls.tools import Approval, ToolEffect
from tools.folder import all_tools

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
    assert Specs([tmp_path]).guards() == {"a", "b"}


def test_an_unknown_chain_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD)
    with pytest.raises(BadSpec, match=r"there is no chain 'films': the chains in .* are books"):
        Specs([tmp_path]).chain("films")


AGENT = 'kind = "agent"\nsystem = "Help."\n[tools.calculator]\n'


def test_chains_and_agents_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD)
    (tmp_path / "films.toml").write_text('kind = "chain"\n' + GOOD)
    (tmp_path / "helper.toml").write_text(AGENT)
    (tmp_path / "broken.toml").write_text("kind = ")
    (tmp_path / "Not A Name.toml").write_text(GOOD)
    specs = Specs([tmp_path], all_tools())
    assert specs.names(Kind.CHAIN) == ["books", "films"]
    assert specs.names(Kind.AGENT) == ["helper"]
    assert specs.agent("helper").tool("calculator")
    refused = re.escape(f"{tmp_path.name}/helper.toml is an agent, and was asked for as a chain: the chains in ")
    for _ in range(2):
        with pytest.raises(BadSpec, match=refused + ".* are books, films$"):
            specs.chain("helper")
    with pytest.raises(BadSpec, match=r"books.toml is a chain, and was asked for as an agent: .* are helper$"):
        specs.agent("books")


def test_an_unknown_agent_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match=r"there is no agent 'helper': the agents in .* are none$"):
        Specs([tmp_path]).agent("helper")
    (tmp_path / "nurse.toml").write_text(AGENT)
    with pytest.raises(BadSpec, match=r"there is no agent 'helper': the agents in .* are nurse$"):
        Specs([tmp_path]).agent("helper")


@pytest.mark.parametrize("name", ["../books", "Books", "", "a\0", "b" * 300])
def test_what_is_no_name_leads_to_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSpec, match=r"is no name of a spec: use lower-case letters, digits and dashes"):
        Specs([tmp_path / "agents"]).agent(name)


@pytest.mark.parametrize("kind", ["'robot'", "3", "[]", "true"])
def test_an_unknown_kind_names_those_that_there_are(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.toml").write_text(f"kind = {kind}\n{GOOD}")
    for read in (Specs([tmp_path]).chain, Specs([tmp_path]).agent):
        with pytest.raises(BadSpec, match=r'^[^/]+/x.toml: kind: .* write "chain" or "agent"$'):
            read("x")


def test_a_folder_in_a_spec_s_place_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").mkdir()
    with pytest.raises(BadSpec, match=r"^[^/]+/x.toml cannot be read: Is a directory"):
        Specs([tmp_path]).agent("x")


def test_an_edited_agent_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "helper.toml").write_text(AGENT)
    specs = Specs([tmp_path], all_tools())
    before = specs.agent("helper")
    assert specs.agent("helper") is before
    (tmp_path / "helper.toml").write_text("# a comment\n" + AGENT)
    assert specs.agent("helper").digest != before.digest
    (tmp_path / "helper.toml").write_text(GOOD)
    with pytest.raises(BadSpec, match="is a chain"):
        specs.agent("helper")


def test_the_guards_of_agents_are_known(tmp_path: Path) -> None:
    guards = "".join(f"[[{key}]]\nguard = '{key}'\n" for key in ("screen", "arguments", "check"))
    (tmp_path / "helper.toml").write_text(AGENT + guards)
    assert Specs([tmp_path], all_tools()).guards() == {"screen", "arguments", "check", "injection", "secrets_present"}


def test_an_edit_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text(GOOD)
    before = Specs([tmp_path]).chain("books")
    (tmp_path / "books.toml").write_text(GOOD + "# a comment\n")
    assert Specs([tmp_path]).chain("books").digest != before.digest


@pytest.mark.parametrize("name", ["golden", "demo", "calibration"])
def test_no_question_of_a_data_set_stands_in_a_prompt(name: str) -> None:
    specs = Specs([ROOT / "agents"], all_tools())
    prompts = [specs.chain(chain).instructions.body or "" for chain in specs.names(Kind.CHAIN)]
    prompts += [specs.agent(agent).instructions.body or "" for agent in specs.names(Kind.AGENT)]
    questions = [question.question for question in load(HANDBOOK / f"{name}.toml")]
    assert prompts
    assert questions
    assert not [question for question in questions for prompt in prompts if question.casefold() in prompt.casefold()]


def test_the_shipped_agents_can_be_used_and_only_what_a_person_agrees_to_cannot_be_taken_back() -> None:
    specs = Specs([ROOT / "agents"], all_tools())
    assert specs.names(Kind.AGENT) == ["operations", "research", "support"]
    tools = {name: specs.agent(name).tools for name in specs.names(Kind.AGENT)}
    assert {tool.effect for tool in tools["research"]} == {ToolEffect.READ_ONLY}
    assert {tool.name for tool in tools["support"] if tool.effect is not ToolEffect.READ_ONLY} == {"create_ticket"}
    for tool in (tool for granted in tools.values() for tool in granted):
        assert tool.effect is not ToolEffect.AT_MOST_ONCE or tool.approval is Approval.ALWAYS
