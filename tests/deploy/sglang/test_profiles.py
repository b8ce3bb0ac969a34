"""Launch profiles: each flag has a reason, and the installed SGLang and smg take every one of them."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.settings import PROFILES, ROOT
from deploy.processes.errors import DeployError
from deploy.sglang import profile
from tests.services.sglang_server import installed

NEEDED = {"one-gpu", "tensor-parallel", "data-parallel", "fp8", "awq", "speculative", "batching", "prefix-cache"}

PARSER = {
    "sglang": (
        "import argparse\n"
        "from sglang.srt.server_args import ServerArgs\n"
        "parser = argparse.ArgumentParser()\n"
        "ServerArgs.add_cli_args(parser)\n"
        "parse = parser.parse_args\n"
    ),
    "smg": "from smg.launch_router import parse_router_args as parse\n",
}
"""Code that reads each program's command line without starting the program, which needs a GPU."""

PARSE_ALL = """
import contextlib, io, json, sys
found = {}
for name, arguments in json.load(sys.stdin).items():
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            parse(arguments)
        except SystemExit as ended:
            said.write(f" exit {ended.code}")
    found[name] = said.getvalue() if " exit " in said.getvalue() else ""
print(json.dumps(found))
"""
"""Code that parses all profiles at once: the import of SGLang takes half a minute."""

FLAG = '[[flags]]\nflag = "--a"\nwhy = "it is so, here"\nwatch = "the weather"'

METRIC = re.compile(r"sglang:(\w+)")

every_profile = pytest.mark.parametrize("name", profile.names())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profile, "FOLDER", tmp_path)
    return tmp_path


def test_there_is_one_for_each_kind_of_machine_and_load() -> None:
    assert set(profile.names()) >= {*NEEDED, "smg-failover"}


@every_profile
def test_a_profile_gives_each_flag_once_with_its_reason_and_what_to_watch(name: str) -> None:
    launch = profile.read(name)
    flags = [flag.flag for flag in launch.flags]
    assert len(set(flags)) == len(flags)
    assert all(flag.why and flag.watch for flag in launch.flags)
    assert shlex.split(launch.line.replace("\\\n", "")) == [*profile.PROGRAMS[launch.program], *launch.arguments]


@every_profile
def test_a_profile_listens_on_loopback(name: str) -> None:
    values = {flag.flag: flag.value for flag in profile.read(name).flags}
    assert values["--host"] == "127.0.0.1"


def test_the_catalogues_server_is_the_one_that_is_launched() -> None:
    entry = CatalogueFile(PROFILES / "sglang.toml", {}).entry("sglang")
    values = {flag.flag: flag.value for flag in profile.read("one-gpu").flags}
    assert (values["--served-model-name"], values["--context-length"]) == (entry.model, entry.context_window)
    assert entry.endpoint == f"http://{values['--host']}:{values['--port']}/v1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("about = ", r"own\.toml cannot be read"),
        ('about = "a machine of my own"\nflags = []', r"own\.toml: flags: .*at least 1"),
        ('about = "a machine of my own"\n[[flags]]\nflag = "--a"\nwhy = "because it is so"', r"flags\.0\.watch: Field"),
        (
            'about = "a machine of my own"\n[[flags]]\nflag = "-a"\nwhy = "because it is so"\nwatch = "the weather"',
            r"own\.toml: flags\.0\.flag",
        ),
        (
            f'about = "a machine of my own"\nextends = "own"\n{FLAG}',
            r"extends itself: own -> own",
        ),
        (
            f'about = "a machine of my own"\nwithout = ["--b"]\n{FLAG}',
            r"`without` names --b",
        ),
    ],
)
def test_a_mistake_in_a_profile_is_one_line(text: str, says: str, folder: Path) -> None:
    (folder / "own.toml").write_text(text)
    with pytest.raises(DeployError, match=says) as stopped:
        profile.read("own")
    assert len(str(stopped.value).splitlines()) == 1 or "cannot be read" in str(stopped.value)


def test_an_unknown_profile_is_told_with_those_that_exist() -> None:
    with pytest.raises(DeployError, match=r"no profile 'two-gpus': .*one-gpu"):
        profile.read("two-gpus")


def test_the_command_prints_a_line_that_a_shell_takes() -> None:
    command = [str(ROOT / ".venv" / "bin" / "python"), "-m", "deploy.sglang", "launch", "smg-failover"]
    line = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parsed = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert parsed == ["smg", "launch", *profile.read("smg-failover").arguments]


# The installed programs themselves.


UNKNOWN = "no such flag"


@pytest.fixture(scope="module")
def flag_errors() -> dict[str, str]:
    """Return the error of the installed programs for each profile and for an unknown flag; empty if they accept it."""
    programs = installed()
    complaints: dict[str, str] = {}
    for program, parser in PARSER.items():
        arguments = {
            name: read.arguments for name in profile.names() if (read := profile.read(name)).program == program
        }
        arguments[f"{UNKNOWN} of {program}"] = [*next(iter(arguments.values())), "--no-such-flag-of-it", "1"]
        python = programs.python if program == "sglang" else programs.smg.with_name("python")
        process = subprocess.run(
            [str(python), "-c", parser + PARSE_ALL],
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            check=True,
        )
        complaints |= json.loads(process.stdout.splitlines()[-1])
    return complaints


@pytest.mark.sglang
@pytest.mark.timeout(600)
@every_profile
def test_the_installed_program_takes_every_flag_of_a_profile(name: str, flag_errors: dict[str, str]) -> None:
    assert flag_errors[name] == ""


@pytest.mark.sglang
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["sglang", "smg"])
def test_a_flag_that_the_installed_program_does_not_know_is_found(program: str, flag_errors: dict[str, str]) -> None:
    assert "--no-such-flag-of-it" in flag_errors[f"{UNKNOWN} of {program}"]


@pytest.mark.sglang
@pytest.mark.timeout(600)
def test_every_metric_that_a_profile_speaks_of_is_one_of_the_installed_server() -> None:
    named_metrics = {
        metric
        for name in profile.names()
        for flag in profile.read(name).flags
        for metric in METRIC.findall(json.dumps([flag.why, flag.watch]))
    }
    sources = installed().folder / "sglang" / "lib"
    files = sources.glob("python*/site-packages/sglang/srt/observability/*.py")
    server_metrics = set(METRIC.findall(" ".join(file.read_text() for file in files)))
    # Counters gain `_total` when they are exported.
    assert {metric for metric in named_metrics if not {metric, metric.removesuffix("_total")} & server_metrics} == set()
