"""`make setup` makes `.venv/bin/perdure`, which runs its own checkout from any working directory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its path, whose environment is this one's: `make setup` has nothing to install."""
    copy = tmp_path / "a checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", "tests", ".*"))
    programs = copy / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    ours = Path(sys.prefix)
    (copy / ".venv" / "lib").symlink_to(ours / "lib")
    shutil.copy(ours / "pyvenv.cfg", copy / ".venv")
    (copy / ".venv" / ".stamp").touch()
    return copy


def run(*command: str, folder: Path, **environment: str) -> str:
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # `make test` sets them
    process = subprocess.run(
        command, cwd=folder, env={**outside, **environment}, capture_output=True, text=True, timeout=240, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_setup_adds_the_command_to_an_environment_that_is_there(checkout: Path, tmp_path: Path) -> None:
    command = checkout / ".venv" / "bin" / "perdure"
    assert not command.exists()
    run("make", "setup", folder=checkout)
    (checkout / "tools" / "spell.py").write_text(
        '"""Spells."""\n\nfrom tools.base import ToolArguments, ToolContext, ToolEffect, tool\n\n\n'
        'class Word(ToolArguments):\n    """A word."""\n\n    word: str\n\n\n'
        "@tool(ToolEffect.READ_ONLY)\nasync def spell(_: ToolContext, asked: Word) -> str:\n"
        '    """Spell a word."""\n    return "-".join(asked.word)\n'
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "perdure"
    link.symlink_to(command)
    by_path = run("perdure", "tools", folder=elsewhere, PATH=f"{command.parent}:{os.environ['PATH']}")
    for listed in (by_path, run(str(link), "tools", folder=elsewhere)):
        assert "\nspell\tread_only\tSpell a word.\n" in listed
    assert run("make", "setup", folder=checkout).startswith("make: Nothing to be done")


def test_outside_a_checkout_it_says_so(checkout: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost" / "bin"
    lost.mkdir(parents=True)
    shutil.copy(checkout / "deploy" / "cli" / "perdure", lost)
    (lost / "python").symlink_to(sys.executable)
    process = subprocess.run(
        [str(lost / "perdure"), "tools"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    assert process.stderr.startswith("perdure: there is no checkout around ")
    assert process.stderr.count("\n") == 1
