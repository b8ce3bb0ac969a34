"""Every shipped spec, and every example of a page, only flags what the injection guard finds."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from activities.settings import ROOT
from activities.tool_calls.boundary import SCREENED_FOR as SCREENED_AT_THE_BOUNDARY
from agents.agent_file import SCREENED_FOR
from perdure.contracts.guards import GuardAction
from tests.arch.files import written

SPECS = sorted((ROOT / "agents").rglob("*.toml"))
PAGES = [path for path in written() if path.suffix == ".md"]
_CODE = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MADE_IN_PYTHON = re.compile(r"Guard(?:Spec|File)\(guard=\"injection\"(?!, action=GuardAction\.FLAG)[^)]*\)")


def guards(value: object) -> Iterator[dict[str, Any]]:
    """Yield every table that names a guard, however deep it stands."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        if "guard" in table:
            yield table
        for inner in table.values():
            yield from guards(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from guards(inner)


def blocking(text: str) -> list[dict[str, Any]]:
    """Return the injection guards of a TOML text that do not flag."""
    named = [guard for guard in guards(tomllib.loads(text)) if guard["guard"] == "injection"]
    return [guard for guard in named if guard.get("action") != "flag"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_shipped_spec_only_flags_an_injection(spec: Path) -> None:
    assert blocking(spec.read_text()) == []


def test_the_specs_that_are_looked_at_name_the_guard() -> None:
    naming = {spec.stem for spec in SPECS if '"injection"' in spec.read_text()}
    assert naming == {"handbook", "support", "research", "operations", "incident", "invoice"}


def test_the_examples_on_pages_only_flag_an_injection() -> None:
    texts = [page.read_text() for page in PAGES]
    examples = [code for text in texts for code in _CODE.findall(text) if '"injection"' in code]
    assert [found for code in examples for found in blocking(code)] == []
    assert [found for text in texts for found in _MADE_IN_PYTHON.findall(text)] == []


@pytest.mark.parametrize("screened", [SCREENED_FOR, SCREENED_AT_THE_BOUNDARY], ids=["agents", "boundary"])
def test_what_tools_return_is_only_flagged(screened: tuple[Any, ...]) -> None:
    assert [guard.action for guard in screened if guard.guard == "injection"] == [GuardAction.FLAG]


def test_a_planted_blocking_guard_is_found() -> None:
    assert blocking('[[screen]]\nguard = "injection"\n') == [{"guard": "injection"}]
    assert _MADE_IN_PYTHON.findall('GuardSpec(guard="injection")') == ['GuardSpec(guard="injection")']
