"""`workflows/ruff.toml` catches what the sandbox cannot: breaches in helpers and in state machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import ROOT
from tests.arch.conftest import Copy

FILES = ("workflows/chain.py", "workflows/effects.py", "workflows/state_machines/purchase.py")

FENCE = "TID251,DTZ,S311,PTH,T20,PLC0208"
"""The rules that guard determinism."""

BREACHES = {
    "import datetime as clock; clock.datetime.now(clock.UTC)": "TID251",
    "from datetime import datetime as naive; naive.now()": "DTZ005",
    "from datetime import date as day; day.today()": "TID251",
    "import time": "TID251",
    "from time import sleep": "TID251",
    "from time import monotonic": "TID251",
    "import random": "TID251",
    "import random as chance; chance.random()": "S311",
    "import secrets": "TID251",
    "from uuid import uuid4": "TID251",
    "import uuid; uuid.uuid1()": "TID251",
    "import os; os.environ['HOME']": "TID251",
    "from os import getenv": "TID251",
    "import sys": "TID251",
    "import platform": "TID251",
    "from io import StringIO": "TID251",
    "import pathlib": "TID251",
    "from pathlib import Path": "TID251",
    "open('file')": "PTH123",
    "import tempfile": "TID251",
    "import subprocess": "TID251",
    "import socket": "TID251",
    "import urllib.request": "TID251",
    "from http import client": "TID251",
    "import threading": "TID251",
    "from multiprocessing import Process": "TID251",
    "from concurrent.futures import ThreadPoolExecutor": "TID251",
    "asyncio.to_thread(print)": "TID251",
    "asyncio.wait([])": "TID251",
    "asyncio.as_completed([])": "TID251",
    "asyncio.run(main())": "TID251",
    "asyncio.create_subprocess_exec('ls')": "TID251",
    "asyncio.open_connection()": "TID251",
    "import logging": "TID251",
    "import structlog": "TID251",
    "print('again')": "T201",
    "for each in {1, 2}: pass": "PLC0208",
    "import importlib": "TID251",
    "from temporalio.client import Client": "TID251",
    "workflow.unsafe.imports_passed_through()": "TID251",
}
"""Lines that replay otherwise than they ran, and the rule that finds each."""


def ruff(root: Path, *options: str) -> list[tuple[str, int, str]]:
    """What ruff finds in a copy of the code: file, line and rule."""
    report = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--no-cache", "--output-format=json", *options, "workflows"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode in (0, 1), report.stderr
    return [
        (Path(finding["filename"]).relative_to(root.resolve()).as_posix(), finding["location"]["row"], finding["code"])
        for finding in json.loads(report.stdout)
    ]


@pytest.fixture(scope="module")
def findings(copy_of_the_code: Copy) -> set[tuple[str, str, str]]:
    """File, planted line and rule, once every breach is planted in every file."""
    root = copy_of_the_code("planted-lines")
    planted: dict[tuple[str, int], str] = {}
    for name in FILES:
        lines = (root / name).read_text().splitlines()
        for number, line in enumerate(["import asyncio", "from temporalio import workflow", *BREACHES], len(lines) + 1):
            planted[name, number] = line
        (root / name).write_text("\n".join([*lines, "import asyncio", "from temporalio import workflow", *BREACHES]))
    return {(file, planted[file, row], rule) for file, row, rule in ruff(root) if (file, row) in planted}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("line", BREACHES)
def test_a_planted_line_is_found(file: str, line: str, findings: set[tuple[str, str, str]]) -> None:
    assert (file, line, BREACHES[line]) in findings


def test_no_workflow_silences_the_fence() -> None:
    assert ruff(ROOT, "--ignore-noqa", f"--select={FENCE}") == []


def test_every_rule_that_finds_a_breach_is_of_the_fence() -> None:
    assert all(rule.startswith(tuple(FENCE.split(","))) for rule in BREACHES.values())
