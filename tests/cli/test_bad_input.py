"""The command line answers any bad input with one clear line and the right exit code."""

import asyncio
import subprocess
import sys

import pytest

from activities.settings import ROOT, environment_with
from deploy.processes.ports import free_ports
from perdure.cli.app import main
from perdure.cli.exits import Exit
from tests.cli.conftest import Cli

TYPED = (
    (["nope"], "No such command 'nope'"),
    (["ask"], "Missing argument 'QUESTION': see perdure ask --help"),
    (["ask", ""], "question: is empty"),
    (["ask", "a\x00b"], "question: holds the control character"),
    (["ask", "\udcff"], "question: is not valid Unicode text"),
    (["ask", "x" * 1_100_000], "question: is 1,100,000 bytes long, over the limit"),
    (["ask", "@/does/not/exist"], "question: cannot read '/does/not/exist': No such file"),
    (["ask", "@/"], "question: cannot read '/': Is a directory"),
    (["ask", "Why?", "--chain", "Up Per"], "chain: String should match"),
    (["ask", "Why?", "--tenant", "a'b"], "tenant: String should match"),
    (["ask", "Why?", "--dollars", "much"], "--dollars: 'much' is no amount: write 0.05"),
    (["ask", "Why?", "--dollars", "NaN"], "--dollars: 'NaN' is no amount"),
    (["ask", "Why?", "--dollars=-1"], "micro_dollars: Input should be greater than or equal to 0"),
    (["ask", "Why?", "--dollars", "1e999999999"], "--dollars: '1e999999999' is no amount"),
    (["ask", "Why?", "--dollars", "0.0000001"], "--dollars: '0.0000001' is finer than a millionth of a dollar"),
    (["ask", "Why?", "--dollars", "1.5k"], "--dollars: '1.5k' is no amount: write 0.05"),
    (["ask", "Why?", "--steps", "9" * 30], "steps: Input should be less than or equal to"),
    (["ask", "Why?", "--id", ""], "--id: String should match pattern"),
    (["ask", "Why?", "--id", "\u200b"], "letters, digits and ._/@+:-, a letter or digit first"),
    (["ask", "\u200b\u00a0"], "question: is empty: ask something"),
    (["run", "tester", "\u200b"], "task: is empty: say what is to be done"),
    (["run", "tester", "Count.", "--by", "\u200b"], "started_by: is blank: write a name that shows"),
    (["run", "tester", "Count.", "--by", "\udcff"], "started_by: is not valid Unicode text"),
    (["--address", "", "list"], "address: is empty"),
    (["--namespace", " ", "list"], "namespace: is empty"),
    (["schedule", "create", "s", "", "--chain", "c", "--every", "1h"], "question: is empty: ask something"),
    (["ask", "Why?", "--steps", "many"], "'many' is not a valid integer"),
    (["ask", "Why?", "--until", "soon"], "--until: 'soon' is no moment"),
    (["ask", "Why?", "--within", "5"], "--within: '5' is no time: write 90s"),
    (["ask", "Why?", "--frobnicate"], "No such option '--frobnicate'"),
    (["run", "tester"], "Missing argument 'TASK'"),
    (["list", "--limit", "0"], "limit: Input should be greater than or equal to 1"),
    (["list", "--phase", "dreaming"], "--phase: there is no phase 'dreaming'"),
    (["list", "--outcome", "x' OR Tenant != '"], "outcome: String should match"),
    (["list", "--state", "Running"], "state: Input should be 'running', 'completed'"),
    (["list", "--since", "yesterday"], "--since: 'yesterday' is no time"),
    (["edit", "run"], "say what to change: either --arguments JSON, or --set NAME=VALUE"),
    (["edit", "run", "--arguments", "{"], "--arguments: is not JSON"),
    (["edit", "run", "--arguments", "[1]"], "--arguments: is no JSON object"),
    (["edit", "run", "--arguments", "[" * 100_000], "--arguments: is not JSON"),
    (["edit", "run", "--set", "to"], "--set: 'to' names nothing: write NAME=VALUE"),
    (["answer", "run"], "say one thing"),
    (["answer", "run", "--retry", "--did-not-happen"], "say one thing"),
    (["answer", "run", "call-1-1", "yes", "--retry"], "say one thing"),
    (["approve", "run", "--credential", str(ROOT / "LICENSE")], "--credential: the file holds no signed JWT"),
    (["approve", "run", "--credential", "/does/not/exist"], "--credential: cannot read"),
    (["schedule", "create", "s", "Why?", "--cron", "0 9 * * *"], "say what to start: either --agent NAME or --chain"),
    (["schedule", "create", "s", "Why?", "--chain", "handbook"], "says no time: give a cron expression"),
    (["schedule", "create", "s", "Why?", "--chain", "c", "--every", "0s"], "every: 0:00:00 is too short"),
    (["schedule", "create", "s", "Why?", "--chain", "c", "--calendar", "noon"], "--calendar: 'noon' says no time"),
    (["schedule", "create", "s", "Why?", "--chain", "c", "--calendar", "hour=x"], "hour: String should match"),
    (["schedule", "create", "s", "Why?", "--chain", "c", "--calendar", "noon=1"], "noon: Extra inputs"),
    (["schedule", "create", "s", "Why?", "--chain", "c", "--overlap", "terminate_other"], "'terminate_other' is not"),
    (["history", "export", "run", str(ROOT / "README.md")], "is there already"),
)


@pytest.mark.parametrize(("arguments", "expected"), TYPED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_used_is_one_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert output.err.startswith("perdure: ")
    assert expected in output.err


def test_several_mistakes_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["ask", "", "--id", "", "--tenant", "A b", "--dollars", "much", "--until", "soon", "--steps=-1"]
    assert main([*typed, "--patience", "long", "--within", "5"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("perdure: ") for line in lines)
    places = sorted(line.removeprefix("perdure: ").partition(":")[0] for line in lines)
    assert places == ["--dollars", "--id", "--patience", "--until", "--within", "question", "steps", "tenant"]


def test_several_mistakes_of_a_schedule_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["schedule", "create", "s", "", "--every", "x", "--calendar", "hour=x", "--jitter", "y", "--begins", "z"]
    assert main([*typed, "--dollars", "much"]) == 2
    lines = capsys.readouterr().err.splitlines()
    places = sorted(line.removeprefix("perdure: ").partition(":")[0] for line in lines)
    expected = ["--begins", "--dollars", "--every", "--jitter", "hour", "question", "say what to start"]
    assert places == expected


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    [port] = free_ports(1)
    assert main(["--address", f"127.0.0.1:{port}", "list"]) == 1
    assert capsys.readouterr().err.startswith(f"perdure: no Temporal server answers at 127.0.0.1:{port}: start one")


@pytest.mark.parametrize("address", ["", "nonsense", "http://[", "127.0.0.1:99999999", "\x00"])
def test_an_address_that_is_none_is_one_line(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--address", address or "://", "list"])
    output = capsys.readouterr()
    assert code == 1
    assert len(output.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nowhere"],
        ["watch", "nowhere"],
        ["cancel", "nowhere"],
        ["pause", "nowhere"],
        ["resume", "nowhere"],
        ["approve", "nowhere", "--yes"],
        ["history", "export", "nowhere", "nowhere.json"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
async def test_an_unknown_run_is_named_by_every_command(cli: Cli, arguments: list[str]) -> None:
    result = await cli(*arguments)
    decides = arguments[0] == "approve"  # a decision that matches nothing
    assert (result.code, result.out) == (Exit.REJECTED if decides else Exit.ERROR, "")
    assert result.err == "perdure: tenant 'default' has no run 'nowhere'\n"


@pytest.mark.usefixtures("environment")
async def test_an_unknown_namespace_is_one_line(cli: Cli) -> None:
    result = await cli("--namespace", "nowhere", "list")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert "nowhere" in result.err


async def test_the_process_ends_well_every_time(cli: Cli) -> None:
    """Temporal's core crashes many interpreters that end right after their last call, and with them the exit code."""
    limit = asyncio.Semaphore(4)

    async def exit_code() -> int:
        async with limit:
            return (await cli("list", "--limit", "1", "--json")).code

    assert await asyncio.gather(*(exit_code() for _ in range(30))) == [0] * 30


def test_a_reader_who_goes_away_is_not_complained_about() -> None:
    shell = f"{sys.executable} -m perdure.cli --help | true"
    process = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert process.stderr == ""


def test_the_shell_completes_commands() -> None:
    completing = environment_with(_PERDURE_COMPLETE="complete_bash", COMP_WORDS="perdure in", COMP_CWORD="1")
    process = subprocess.run(
        [sys.executable, "-m", "perdure.cli"],
        cwd=ROOT,
        env=completing,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.stdout.split(), process.returncode) == (["inbox"], 0)
