"""Every command of the command line helps, and answers a mistake with one line and an exit code."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.composition import WorkerRole
from activities.settings import ROOT, environment_with, load
from deploy.cli.worker import Role
from deploy.processes.ports import free_ports
from tests.deploy.cli.tree import Typed, ran, tree

TREE = tree()
COMMANDS = [each for each in TREE if not each.is_group]
PROCESSES = {"up", "demo", "worker"}
"""Commands that last and show what happens: they print no table and no result."""

SLOW = ("litellm", "guardrails", "lancedb", "spacy", "onnxruntime", "sqlalchemy", "activities", "workflows", "tools")
"""What no help needs: the platform, and its libraries."""

CODE = re.compile(r"`([^`]+)`")

each_one = pytest.mark.parametrize("one", TREE, ids=str)
each_command = pytest.mark.parametrize("one", COMMANDS, ids=str)


@pytest.fixture(autouse=True)
def nothing_to_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Settings of a platform that was never started, and an address where nobody listens."""
    [port] = free_ports(1)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PERDURE_PATHS__STATE", str(tmp_path / "var"))
    monkeypatch.setenv("PERDURE_PATHS__MODELS", str(tmp_path / "models"))
    load.cache_clear()
    yield
    load.cache_clear()


@each_one
def test_everything_helps_within_eighty_columns(one: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    help_ = ran(capsys, *one.words, "--help")
    assert (help_.code, help_.err) == (0, "")
    assert max(map(len, help_.out.splitlines())) <= 80
    assert f"Usage: {' '.join(['perdure', *one.words])}" in " ".join(help_.out.split())


@each_one
def test_an_unknown_option_is_one_line(one: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    mistake = ran(capsys, *one.words, "--frobnicate")
    assert (mistake.code, mistake.out) == (2, "")
    assert mistake.err.startswith("perdure: No such option '--frobnicate'")
    assert mistake.err.endswith(f": see {' '.join(['perdure', *one.words])} --help\n")
    assert mistake.err.count("\n") == 1


@pytest.mark.parametrize("one", [each for each in COMMANDS if each.required], ids=str)
def test_a_missing_argument_is_one_line(one: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    mistake = ran(capsys, *one.words)
    assert (mistake.code, mistake.out) == (2, "")
    assert mistake.err.startswith(
        f"perdure: Missing argument '{one.required[0].metavar or one.required[0].name.upper()}"
    )
    assert mistake.err.count("\n") == 1


@pytest.mark.parametrize("one", [each for each in TREE if each.is_group], ids=str)
def test_an_unknown_command_is_one_line(one: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    mistake = ran(capsys, *one.words, "frobnicate")
    assert (mistake.code, mistake.out) == (2, "")
    assert mistake.err.startswith("perdure: No such command 'frobnicate'")
    assert mistake.err.count("\n") == 1


CHECKED = [
    (one, option)
    for one in TREE
    for option in one.command.params
    if option.param_type_name == "option" and option.type.name in ("integer", "float", "choice")
]


@pytest.mark.parametrize(("one", "option"), CHECKED, ids=lambda each: str(getattr(each, "name", each)))
def test_a_value_of_another_kind_is_one_line(one: Typed, option: Any, capsys: pytest.CaptureFixture[str]) -> None:
    mistake = ran(capsys, *one.typed(), option.opts[0], "many")
    assert (mistake.code, mistake.out) == (2, "")
    assert mistake.err.startswith(f"perdure: Invalid value for '{option.opts[0]}")
    assert mistake.err.count("\n") == 1


MISTAKES = (
    (["index", "/does/not/exist"], 1, "cannot index '/does/not/exist': it is not a folder"),
    (["index", str(ROOT / "README.md")], 1, "it is not a folder"),
    (["index", ".", "--tenant", "A b"], 2, "--tenant: 'A b' is no name"),
    (["index", ".", "--collection", ""], 2, "--collection: '' is no name"),
    (["index", ".", "--store", "chroma"], 2, "--store: there is no store 'chroma'"),
    (["up", "--store", "chroma"], 2, "--store: there is no store 'chroma'"),
    (["demo", "--store", "chroma"], 2, "--store: there is no store 'chroma'"),
    (["up", "--tier", "nope"], 1, "nope"),
    (["fetch", "nope"], 1, "nope"),
    (["fetch", "--tier", "nope"], 1, "nope"),
    (["budget", "--day", "yesterday"], 2, "'yesterday' is no day"),
    (["budget", "--tenant", "No Such"], 2, "'No Such' is no tenant"),
    (["backup", "/dev/null/x"], 1, "holds no temporal.db"),
    (["restore", "/does/not/exist"], 1, "is no whole backup"),
    (["tool", "abacus"], 2, "there is no tool 'abacus'"),
    (["tool", "calculator", "{"], 2, "ARGUMENTS: is not JSON"),
    (["tool", "calculator", "@/does/not/exist"], 2, "ARGUMENTS: cannot read '/does/not/exist': No such file"),
    (["tool", "calculator", "{}", "--allow", "expression=1"], 2, "its arguments take no constraint"),
    (["worker", "--role", "cook"], 2, "'cook' is not one of"),
    (["models", "load", "nope", "adapter", "/path"], 1, "nope"),
    (["versions"], 1, "workers have no versions: set PERDURE_WORK__DEPLOYMENT"),
    (["versions", "use", "v1"], 1, "workers have no versions: set PERDURE_WORK__DEPLOYMENT"),
    (["evals", "golden", "silver"], 2, "there is no set of questions 'silver': the sets are"),
    (["evals", "agents", "silver"], 2, "there is no set of tasks 'silver': the sets are"),
    (["evals", "extraction", "silver"], 2, "there is no extraction set 'silver': the sets are"),
    (["evals", "show-prompt", "run", "think-1"], 1, "no Temporal server answers at"),
    (["evals", "show-prompt", str(ROOT / "README.md"), "think-1"], 2, "holds no history"),
    (["list"], 1, "no Temporal server answers at"),
)


@pytest.mark.parametrize(("arguments", "code", "expected"), MISTAKES, ids=lambda value: str(value)[:50])
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = ran(capsys, *arguments)
    assert (mistake.code, mistake.out) == (code, "")
    assert mistake.err.startswith("perdure: ")
    assert expected in mistake.err
    assert mistake.err.count("\n") == 1


@each_command
def test_everything_that_prints_a_result_prints_json(one: Typed) -> None:
    assert ("--json" in one.options) == (str(one) not in PROCESSES)


def test_the_pages_say_what_each_command_prints_as_json() -> None:
    pages = [(ROOT / page).read_text() for page in ("perdure/cli/JSON.md", "deploy/cli/README.md")]
    rows = [row.split("|")[1:-1] for page in pages for row in page.splitlines() if row.startswith("| `")]
    written = {
        re.split(r" [A-Z\[]", name)[0] for first, *_, shape in rows if shape.strip() for name in CODE.findall(first)
    }
    assert written == {str(one) for one in TREE if "--json" in one.options}


def test_an_invalid_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PERDURE_WORK__ACTIVITIES", "many")
    mistake = ran(capsys, "fetch")
    assert mistake.code == 1
    assert mistake.err.startswith("perdure: a PERDURE_ setting cannot be used: PERDURE_WORK__ACTIVITIES: ")
    assert mistake.err.count("\n") == 1


def test_help_loads_nothing_of_the_platform() -> None:
    code = (
        "import sys; from deploy.cli.app import main; main(['evals', '--help'])\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert process.stderr == "[]\n"


def test_a_worker_has_the_roles_of_the_platform() -> None:
    assert {role.value for role in Role} == {*(role.value for role in WorkerRole), "all"}


@pytest.mark.parametrize(
    ("module", "arguments", "same"),
    [
        ("deploy.local", ["effects"], ["effects"]),
        ("deploy.models", ["load", "nope", "a", "b"], ["models", "load", "nope", "a", "b"]),
        ("deploy.versions", ["use"], ["versions", "use"]),
        ("evals", ["golden", "silver"], ["evals", "golden", "silver"]),
        ("perdure.cli", ["list", "--limit", "0"], ["list", "--limit", "0"]),
    ],
)
def test_the_old_names_run_the_same_commands(
    module: str, arguments: list[str], same: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment_with(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    new = ran(capsys, *same)
    assert (old.returncode, old.stdout, old.stderr) == (new.code, new.out, new.err)
