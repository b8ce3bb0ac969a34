"""Sections at the end of a test run: trials print their figures there, whichever process they ran in."""

import pytest

__all__ = ["print_sections", "receive_sections", "section", "send_sections"]

SECTIONS = pytest.StashKey[dict[str, list[str]]]()

SENT = "sections"
"""The name under which a process of pytest-xdist sends its sections to the one that prints."""


def section(config: pytest.Config, title: str, *lines: str) -> None:
    """Add lines to the section of that title."""
    config.stash.setdefault(SECTIONS, dict[str, list[str]]()).setdefault(title, []).extend(lines)


def send_sections(config: pytest.Config) -> None:
    """Send the sections of a worker process to the process that prints; in any other, do nothing."""
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output[SENT] = config.stash.get(SECTIONS, dict[str, list[str]]())


def receive_sections(config: pytest.Config, output: dict[str, dict[str, list[str]]]) -> None:
    """Add the sections that a worker process sent, in the order in which the processes end."""
    for title, lines in output.get(SENT, {}).items():
        section(config, title, *lines)


def print_sections(terminal: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print all sections, each under its title."""
    for title, lines in config.stash.get(SECTIONS, dict[str, list[str]]()).items():
        terminal.section(title)
        for line in lines:
            terminal.write_line(line)
