"""What `up` prints once everything runs: addresses, and three commands that can be typed as they are."""

import shlex
from typing import Any

import click
import pytest
import typer

from activities.settings import ROOT
from agents.agent_file import parse_agent
from deploy.local.commands.up import FIRST_RUN, describe, first_commands
from deploy.processes.state_file import Addresses
from perdure.cli.app import app
from perdure.contracts.tool_calls.tools import Approval
from tools.folder import all_tools

USUAL = Addresses(temporal="127.0.0.1:7233", ui="http://127.0.0.1:8233", models={"fast": "http://127.0.0.1:8081/v1"})


def typed(addresses: Addresses) -> list[list[str]]:
    """Return the words of each command, as a shell splits them."""
    return [shlex.split(line) for line in first_commands(addresses).splitlines() if ".venv/bin/perdure " in line]


def test_three_commands_are_printed_and_each_is_one_that_perdure_has_with_these_arguments() -> None:
    root: Any = typer.main.get_command(app)
    names: list[str] = []
    for program, name, *arguments in typed(USUAL):
        assert program == ".venv/bin/perdure"
        names.append(name)
        command: click.Command = root.get_command(click.Context(root), name)
        command.make_context(name, list(arguments))  # raises where an argument or an option is not known
    assert names == ["ask", "run", "approve"]


def test_the_run_that_is_started_is_the_one_that_is_approved_and_its_write_waits_for_a_person() -> None:
    _, run, approval = typed(USUAL)
    assert run[-2:] == ["--id", FIRST_RUN]
    assert approval[2] == FIRST_RUN
    agent = parse_agent(run[2], (ROOT / "agents" / f"{run[2]}.toml").read_bytes(), all_tools())
    [grant] = [tool for tool in agent.tools if tool.name == "create_ticket"]
    assert grant.approval is Approval.ALWAYS
    assert "--by" in approval, "whoever starts a run may not decide about its calls"


@pytest.mark.parametrize("address", ["127.0.0.1:7300", "temporal.example.org:7233"])
def test_an_address_that_another_terminal_does_not_know_stands_in_each_command(address: str) -> None:
    for first, program, *_ in typed(USUAL.model_copy(update={"temporal": address})):
        assert (first, program) == (f"TEMPORAL_ADDRESS={address}", ".venv/bin/perdure")


def test_the_address_of_the_ui_is_printed_where_it_is_known() -> None:
    assert "UI         http://127.0.0.1:8233" in describe(USUAL).splitlines()
    assert "UI" not in describe(USUAL.model_copy(update={"ui": None}))
