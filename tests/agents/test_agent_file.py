"""An invalid agent file is refused with the file, the key and the remedy."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from activities.settings import ROOT
from activities.tool_calls.boundary import SCREENED_FOR
from agents.agent_file import Grantable, parse_agent
from agents.loader import BadSpec
from agents.summary import INSTRUCTIONS
from perdure.contracts.agents.loops import Loops
from perdure.contracts.guards import GuardAction
from perdure.contracts.tool_calls.tools import AllowedHosts, Approval
from tools.folder import all_tools

TOOLS: Mapping[str, Grantable] = all_tools()

GOOD = 'kind = "agent"\nsystem = "Help."\n'
HOSTS = GOOD + "[tools.http_get.constraints.url]\n"
SENDS = GOOD + "[tools.send_message.policy]\n"
CALCULATES = GOOD + "[tools.calculator]\n"
ORDERED = CALCULATES.removeprefix(GOOD) + "after = ['read_document']\n[tools.read_document]\n"


def example(call: str, granted: str = "[tools.calculator]\n") -> str:
    return f"{GOOD}{granted}[[examples]]\ntask = 'a'\nanswer = 'b'\ncalls = [{{ {call} }}]\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind = ", "agents/x.toml is not TOML"),
        ("a = " + "[" * 5000, "agents/x.toml is not TOML"),
        ("attempts = " + "9" * 5000, "agents/x.toml is not TOML"),
        ('kind = "agent"', "system: Field required"),
        (GOOD + "colour = 'red'", "colour: Extra inputs are not permitted (got 'red'); the keys are kind, system"),
        (GOOD + "tool_attempts = 0", "tool_attempts: Input should be greater than or equal to 1 (got 0)"),
        (GOOD + "attempts = 11", "attempts: Input should be less than or equal to 10 (got 11)"),
        (GOOD + "wait = -1", "wait: Input should be greater than or equal to 0 (got -1)"),
        (GOOD + "collection = 'Hand Book'", "collection: String should match pattern"),
        (
            GOOD + "[tools.serch]",
            "tools: there is no tool 'serch': the tools are ask_person, calculator, create_ticket",
        ),
        (GOOD + "[tools.calculator]\nlimit = 3", "tools.calculator.limit: Extra inputs are not permitted (got 3)"),
        (GOOD + "[tools.http_get]", "tools.http_get.constraints: tool 'http_get': nothing is allowed for"),
        (GOOD + "[tools.http_get]", 'grant it with a constraint, { kind = "hosts", hosts = ["docs.example.com"] }'),
        (HOSTS + "kind = 'host'\nhosts = ['a.org']", "does not match any of the expected tags: 'hosts', 'paths'"),
        (HOSTS + "kind = 'paths'\nunder = ['a/']", "the constraint of 'url' is of the kind 'paths': write { kind"),
        (HOSTS + "kind = 'hosts'\nhosts = []", "Tuple should have at least 1 item"),
        (HOSTS + "kind = 'hosts'\nhosts = ['a.org']\nport = 1", "url.hosts.port: Extra inputs are not permitted"),
        (HOSTS + "kind = 'hosts'\nhosts = ['https://a.org']", "'https://a.org' is no host: write docs.example.com"),
        (
            CALCULATES + "[tools.calculator.constraints.expression]\nkind = 'amount'\nmost = 3",
            "tools.calculator.constraints: tool 'calculator': its argument 'expression' takes no constraint: remove it",
        ),
        (
            GOOD + "[tools.send_message]\napproval = 'never'",
            "tools.send_message.approval: 'never' is less than the tool itself asks for, which is 'always'",
        ),
        (
            CALCULATES + "[tools.calculator.policy]\nquorum = 2",
            "tools.calculator.policy: nobody decides about its calls",
        ),
        (SENDS + "quorum = 0", "tools.send_message.policy.quorum: Input should be greater than or equal to 1 (got 0)"),
        (SENDS + "trust = 'all'", "tools.send_message.policy.trust: Input should be 'signed' or 'namespace'"),
        (SENDS + "names = ['ann']\nquorum = 2", "policy: quorum: 2 people have to agree, and only 1 may: name more"),
        (SENDS + "on_timout = 'deny'", "tools.send_message.policy.on_timout: Extra inputs are not permitted"),
        (CALCULATES + "approval = 'maybe'", "tools.calculator.approval: Input should be 'never' or 'always'"),
        (
            example("tool = 'http_get', result = 'c'"),
            "examples.1.calls.1.tool: 'http_get' is not granted: grant it in [tools], or call one of calculator",
        ),
        (
            example("tool = 'calculator', result = 'c'", ""),
            "examples.1.calls.1.tool: 'calculator' is not granted: grant it in [tools], or call one of none",
        ),
        (
            example("tool = 'calculator', result = 'c', arguments = { sum = '1' }"),
            "examples.1.calls.1.arguments: calculator: expression: Field required",
        ),
        (
            example(
                "tool = 'http_get', result = 'c', arguments = { url = 'https://b.org' }",
                "[tools.http_get.constraints.url]\nkind = 'hosts'\nhosts = ['a.org']\n",
            ),
            "examples.1.calls.1.arguments: http_get: url: the host 'b.org' is not allowed: use a.org",
        ),
        (
            CALCULATES + "after = ['search_knowledge']",
            "tools.calculator.after.1: 'search_knowledge' is not granted: grant it in [tools], or name one of",
        ),
        (CALCULATES + "after = 'calculator'", "tools.calculator.after: Input should be a valid list"),
        (
            CALCULATES + "after = ['calculator']",
            "tools: calculator after calculator: none of them could ever be called",
        ),
        (
            CALCULATES + "after = ['read_document']\n[tools.read_document]\nafter = ['calculator']",
            "none of them could ever be called: leave one `after` out",
        ),
        (
            example("tool = 'calculator', result = 'c'", ORDERED),
            "examples.1.calls.1: calculator is granted after read_document, which the example does not call before it",
        ),
        (GOOD + "begins_with = 'calculator'", "begins_with: 'calculator' is not granted: grant it in [tools], or name"),
        (
            f"{GOOD}begins_with = 'calculator'\n{ORDERED}",
            "begins_with: 'calculator' is granted after others: begin with one that is not",
        ),
        (
            example(
                "tool = 'calculator', result = 'c'",
                "begins_with = 'read_document'\n[tools.calculator]\n[tools.read_document]\n",
            ),
            "examples.1.calls.1: the agent begins with read_document: let the example begin with it too",
        ),
        (
            GOOD + "requires = ['open']",
            "requires: 'open' is not granted: name one of the granted tools that write",
        ),
        (
            f"{GOOD}requires = ['calculator']\n[tools.calculator]\n[tools.create_ticket]",
            "requires: 'calculator' only reads, so nothing is done by it: name one that writes, create_ticket",
        ),
        (GOOD + "reminders = 4", "reminders: Input should be less than or equal to 3 (got 4)"),
        (GOOD + "[loops]\ntold = 3", "loops.stuck: 3 comes before the model can heed what it is told at 3: write more"),
        (GOOD + "[loops]\nstuck = 1", "loops.stuck: 1 is no repetition yet: write 2 or more, or 0 for never"),
        (GOOD + "[loops]\ntold = 1", "loops.told: 1 is no repetition yet: write 2 or more, or 0 for never"),
        (GOOD + "[loops]\nstuck = -1", "loops.stuck: Input should be greater than or equal to 0 (got -1)"),
        (GOOD + "[loops]\ntold = 101", "loops.told: Input should be less than or equal to 100 (got 101)"),
        (GOOD + "[loops]\nstuk = 3", "loops.stuk: Extra inputs are not permitted (got 3)"),
        (
            GOOD + "[tools.create_ticket]\npolled = true",
            "tools.create_ticket.polled: 'create_ticket' changes the world at each call: leave the key out",
        ),
        (GOOD + "[compaction]\nat = 0", "compaction.at: Input should be greater than or equal to 0.1 (got 0)"),
        (GOOD + "[compaction]\nat = 1.5", "compaction.at: Input should be less than or equal to 1 (got 1.5)"),
        (GOOD + "[compaction]\ntokens = 1", "compaction.tokens: Input should be greater than or equal to 16 (got 1)"),
        (GOOD + "[compaction]\ninstructions = ' '", "compaction.instructions: String should match pattern"),
        (GOOD + "[compaction]\nshare = 0.5", "compaction.share: Extra inputs are not permitted (got 0.5)"),
        (GOOD + "compaction = false", "compaction: Input should be"),
        (GOOD + "[[arguments]]\naction = 'block'", "arguments.0.guard: Field required"),
        (GOOD + "[[results]]\nguard = 'a'\naction = 'warn'", "results.0.action"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(text: str, complaint: str) -> None:
    with pytest.raises(BadSpec) as refusal:
        parse_agent("x", text.encode(), TOOLS)
    assert str(refusal.value).startswith("agents/x.toml")
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_the_file_says_is_what_the_agent_is() -> None:
    text = GOOD + (
        "collection = 'books'\ntier = 'strong'\nmax_output_tokens = 90\nattempts = 2\ntool_attempts = 7\n"
        "wait = 0.5\nresult_bytes = 900\nbegins_with = 'calculator'\n[tools.calculator]\n"
    )
    spec = parse_agent("x", text.encode(), TOOLS)
    assert (spec.name, spec.collection, spec.tier, spec.max_output_tokens) == ("x", "books", "strong", 90)
    assert (spec.attempts, spec.tool_attempts, spec.wait) == (2, 7, timedelta(seconds=0.5))
    assert (spec.result_bytes, spec.begins_with) == (900, "calculator")


def test_a_call_is_told_the_second_time_and_ends_the_run_the_third_unless_the_file_says_otherwise() -> None:
    assert parse_agent("x", GOOD.encode(), TOOLS).loops == Loops(told=2, stuck=3)
    for text, loops in (
        ("told = 0\nstuck = 2", Loops(told=0, stuck=2)),
        ("stuck = 0", Loops(told=2, stuck=0)),
        ("told = 5\nstuck = 100", Loops(told=5, stuck=100)),
    ):
        assert parse_agent("x", f"{GOOD}[loops]\n{text}".encode(), TOOLS).loops == loops


def test_what_an_agent_requires_is_granted_and_each_tool_once() -> None:
    text = f"{GOOD}requires = ['create_ticket', 'create_ticket']\nreminders = 2\n[tools.create_ticket]\n"
    spec = parse_agent("x", (text + "[tools.calculator]\npolled = true").encode(), TOOLS)
    assert (spec.requires, spec.reminders) == (("create_ticket",), 2)
    assert {tool.name: tool.polled for tool in spec.tools} == {"create_ticket": False, "calculator": True}
    plain = parse_agent("x", GOOD.encode(), TOOLS)
    assert (plain.requires, plain.reminders) == ((), 1)


def test_older_turns_are_summed_up_at_four_fifths_of_the_window_unless_the_file_says_otherwise() -> None:
    usual = parse_agent("x", GOOD.encode(), TOOLS).compaction
    assert usual is not None
    assert (usual.at, usual.tokens, usual.instructions.body) == (0.8, 400, INSTRUCTIONS)
    written = GOOD + '[compaction]\nat = 0.5\ntokens = 90\ninstructions = """\nKeep the numbers.\n"""'
    own = parse_agent("x", written.encode(), TOOLS).compaction
    assert own is not None
    assert (own.at, own.tokens, own.instructions.body) == (0.5, 90, "Keep the numbers.")


def test_an_agent_can_call_what_it_was_granted_and_nothing_else() -> None:
    granted = CALCULATES + "[tools.http_get.constraints.url]\nkind = 'hosts'\nhosts = ['a.org']\n"
    spec = parse_agent("x", granted.encode(), TOOLS)
    assert [tool.name for tool in spec.tools] == ["calculator", "http_get"]
    assert spec.tools[1].constraints == {"url": AllowedHosts(hosts=("a.org",))}
    assert parse_agent("x", GOOD.encode(), TOOLS).tools == ()


def test_a_grant_says_what_has_to_return_before() -> None:
    spec = parse_agent("x", (GOOD + ORDERED).encode(), TOOLS)
    assert {tool.name: tool.after for tool in spec.tools} == {"calculator": ("read_document",), "read_document": ()}


def test_a_grant_may_ask_for_a_person_where_the_tool_does_not() -> None:
    text = CALCULATES + "approval = 'always'\n[tools.send_message]\napproval = 'always'\n[tools.create_ticket]"
    spec = parse_agent("x", text.encode(), TOOLS)
    assert [tool.approval for tool in spec.tools] == [Approval.ALWAYS, Approval.ALWAYS, Approval.NEVER]


def test_results_are_looked_through_as_the_boundary_does_where_the_file_says_nothing_of_it() -> None:
    assert parse_agent("x", GOOD.encode(), TOOLS).results == SCREENED_FOR
    other = parse_agent("x", (GOOD + "[[results]]\nguard = 'pii'\naction = 'flag'").encode(), TOOLS).results
    assert [(guard.guard, guard.action) for guard in other] == [("pii", GuardAction.FLAG)]


def test_examples_become_the_messages_of_a_conversation() -> None:
    text = example("tool = 'calculator', arguments = { expression = '2 * 3' }, result = '6'")
    messages: list[dict[str, Any]] = json.loads(parse_agent("x", text.encode(), TOOLS).instructions.body or "")
    call = {"id": "example-1-1", "name": "calculator", "arguments": '{"expression": "2 * 3"}'}
    result = messages[3].pop("content")
    assert result.startswith("What calculator returned stands between the two lines with ")
    assert result.splitlines()[2] == "6"
    assert messages == [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "example-1-1"},
        {"role": "assistant", "content": "b"},
    ]


def test_the_policy_of_the_documentation_is_one() -> None:
    page = (ROOT / "agents" / "APPROVALS.md").read_text()
    [text] = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    spec = parse_agent("x", (GOOD + text).encode(), TOOLS).tool("send_message")
    assert spec is not None
    assert spec.policy is not None
    assert (spec.policy.quorum, spec.policy.timeout, spec.policy.remind) == (2, timedelta(days=7), timedelta(days=1))
    assert [step.groups for step in spec.policy.escalate] == [("board",)]
