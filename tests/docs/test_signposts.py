"""Every file, folder, module, command and setting that a page names is there: a signpost cannot rot unseen."""

from pathlib import Path

import pytest

from activities.settings import ROOT
from tests.docs.signposts import PAGES, problems


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    assert problems(page, page.read_text()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("It is in `tool_boundary.py`.", "there is no tool_boundary.py"),
        ("See `activities/ledger/`.", "there is no activities/ledger/"),
        ("See `tests/contracts/ports`.", "there is no tests/contracts/ports"),
        ("See `adapters/sql_tables.py`.", "there is no adapters/sql_tables.py"),
        ("Write `toolz/NAME.py`.", "there is no toolz/"),
        ("| `ports/` | `budget_windows.py`, `ledgers.py` |", "there is no ledgers.py"),
        ("The tests of `deploy/*/*.tml.toml`.", "there is no deploy/*/*.tml.toml"),
        ("Call `perdure.contracts.claims_of_caller`.", "there is no perdure.contracts.claims_of_caller"),
        ("Import `workflows.race`.", "there is no workflows.race"),
        ("See [the page](CALLZ.md).", "there is no CALLZ.md"),
        ("Run `make tset`.", "there is no make tset"),
        ("```\nmake tset\n```", "there is no make tset"),
        ("Run `.venv/bin/python -m deploy.stub --bill x`.", "there is no program deploy.stub"),
        ("Run `python -m evals silver`.", "there is no command evals silver"),
        ("Run `.venv/bin/perdure evals silver`.", "there is no command perdure evals silver"),
        ("```sh\nperdure dwon\n```", "there is no command perdure dwon"),
        ("```sh\npython -m deploy.local dwon\n```", "there is no command deploy.local dwon"),
        ("Set `PERDURE_MODLE__ENDPOINTS`.", "there is no setting PERDURE_MODLE__ENDPOINTS"),
    ],
)
def test_a_planted_wrong_signpost_is_found(text: str, problem: str) -> None:
    assert problem in problems(ROOT / "activities" / "README.md", text)


@pytest.mark.parametrize(
    "text",
    [
        "`composition.py`, `adapters/`, `../workflows/effects.py` and `tests/ports/`.",
        "| `ports/` | the protocols, and `errors.py` |",
        "`tools/NAME.py`, `agents/*.toml`, `var/run/stack.json`.",
        "`perdure.contracts.budget.Budget`, `perdure.contracts`, `workflows.effects`.",
        "`make test`, `perdure tool calculator`, `python -m deploy.local up`, `python worker.py`, `perdure up`.",
        "`PERDURE_LIMITS__DAILY__MICRO_DOLLARS=5`, `PERDURE_TOKEN`.",
    ],
)
def test_a_right_signpost_is_no_problem(text: str) -> None:
    assert problems(ROOT / "activities" / "README.md", text) == []
