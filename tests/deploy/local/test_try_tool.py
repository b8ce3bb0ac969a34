"""The command that tries a tool by hand, with the documents, pages and services that a run would have."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import pytest

from activities.settings import ROOT, Paths, Settings, environment_with
from deploy.local.commands.index import index_folder
from deploy.local.commands.try_tool import allowed
from deploy.local.stack.desk import DeskServer
from perdure.contracts.contract import BadInput
from perdure.contracts.tool_calls.tools import AllowedAmount, AllowedHosts, AllowedPaths
from tools.base import Constrained, ToolArguments, ToolContext, ToolEffect, tool


def try_tool(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", "tool", *arguments],
        cwd=ROOT,
        env=environment_with(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_documents_are_searched_and_read(knowledge: Path, tmp_path: Path) -> None:
    await index_folder(knowledge, Settings(paths=Paths(state=tmp_path)), tenant="default", collection="handbook")
    state = {"PERDURE_PATHS__STATE": str(tmp_path)}
    searched = try_tool("search_knowledge", '{"query": "weeks of parental leave", "passages": 1}', **state)
    assert searched.stdout.startswith("[1] parental-leave (version 2): "), searched.stderr
    document = try_tool(
        "read_document", '{"document": "parental-leave"}', "--allow", "document=parental-leave", **state
    )
    assert "parental-leave, version 2" in document.stdout
    refusal = try_tool("read_document", '{"document": "parental-leave"}', "--allow", "document=backup-policy", **state)
    assert (refusal.returncode, refusal.stdout) == (2, "")
    assert refusal.stderr.count("\n") == 1
    assert "use what is under backup-policy" in refusal.stderr


def test_a_ticket_is_opened_with_the_key_that_was_given(desk: DeskServer, tmp_path: Path) -> None:
    environment = {
        "PERDURE_PATHS__STATE": str(tmp_path),
        "PERDURE_TOOLS__SERVICES": json.dumps({"desk": desk.url}),
    }
    command = ("create_ticket", '{"title": "Leak", "text": "It leaks."}', "--key", "mine")
    assert [try_tool(*command, **environment).stdout for _ in range(2)] == ["The ticket T-1 is open.\n"] * 2
    assert desk.desk.received()["tickets"] == {"mine": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("abacus", "{}"), 2, "there is no tool 'abacus'"),
        (("calculator", "[1]"), 2, "is no JSON object"),
        (("calculator", "{"), 2, "is not JSON"),
        (("calculator", "{}", "--allow", "expression=1"), 2, "its arguments take no constraint"),
        (("http_get", '{"url": "http://localhost/"}'), 2, "nothing is allowed for its argument 'url'"),
        (("http_get", '{"url": "http://localhost/"}', "--allow", "url=localhost"), 1, "is not a public address"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], code: int, reason: str, tmp_path: Path) -> None:
    process = try_tool(*arguments, PERDURE_PATHS__STATE=str(tmp_path))
    assert process.returncode == code
    assert reason in process.stderr
    assert process.stderr.count("\n") == 1


class Errand(ToolArguments):
    """One argument of each kind."""

    url: Annotated[str, Constrained(AllowedHosts)]
    path: Annotated[str, Constrained(AllowedPaths)]
    amount: Annotated[Decimal, Constrained(AllowedAmount)]


@tool(ToolEffect.READ_ONLY)
async def errand(_: ToolContext, arguments: Errand) -> str:
    """Run an errand."""
    return str(arguments)


def test_what_is_allowed_is_said_by_argument() -> None:
    assert allowed(errand, ["url=a.b", "url=*.c.d", "path=x/", "amount=1.50"]) == {
        "url": AllowedHosts(hosts=("a.b", "*.c.d")),
        "path": AllowedPaths(under=("x/",)),
        "amount": AllowedAmount(most=Decimal("1.50")),
    }
    with pytest.raises(BadInput, match="is no amount"):
        allowed(errand, ["amount=much"])
    with pytest.raises(BadInput, match="errand takes url=, path=, amount="):
        allowed(errand, ["colour=red"])
