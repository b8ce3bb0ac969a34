"""Tables of the pages name everything that there is, and nothing else: guards, folders of tests, effects."""

import re

import pytest

from activities.adapters.guards.guardrails_catalogue import GUARDS
from activities.adapters.guards.secret_keys import FORMS, NAMED
from activities.settings import ROOT
from activities.text.values.dates import dates
from activities.text.values.months import LANGUAGES, LANGUAGES_IN_FULL
from activities.text.values.numbers import numbers
from deploy.local.commands.effects import rows
from tests.arch.files import written
from workflows.effects import EFFECTS

ROW = re.compile(r"^\| (`[^|]+) \|(.*)\|$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


def named(page: str) -> dict[str, str]:
    """The names in the first column of a page's tables, each with the rest of its row."""
    return {name: rest for first, rest in ROW.findall((ROOT / page).read_text()) for name in NAME.findall(first)}


def test_every_guard_of_the_catalogue_has_a_row_and_every_row_is_a_guard() -> None:
    assert sorted(named("agents/GUARDS.md")) == sorted(GUARDS)


@pytest.mark.parametrize("guard", GUARDS)
def test_every_argument_of_a_guard_is_in_its_row(guard: str) -> None:
    *_, arguments = named("agents/GUARDS.md")[guard].split("|")
    assert set(GUARDS[guard].arguments.model_fields) <= set(NAME.findall(arguments))
    assert not NAME.findall(arguments) or GUARDS[guard].arguments.model_fields


def test_the_page_names_every_provider_whose_keys_are_found_and_no_other() -> None:
    by_form, by_name = (ROOT / "agents/GUARDS.md").read_text().partition("## Keys that are found")[2].split("\n\n")[1:3]
    assert NAME.findall(by_form) == list(FORMS)
    assert NAME.findall(by_name) == [name.replace(" ?", " ") for name in NAMED]


def test_the_page_of_schemas_names_the_languages_of_the_months() -> None:
    page = " ".join((ROOT / "agents/schemas/README.md").read_text().split())
    every = f"{', '.join(LANGUAGES[:-1])} and {LANGUAGES[-1]}"
    in_full = f"{', '.join(LANGUAGES_IN_FULL[:-1])} and {LANGUAGES_IN_FULL[-1]}"
    assert f"by name in {every}, abbreviated" in page
    assert f"in {in_full} by their full names" in page


def test_the_page_of_schemas_says_what_is_read_and_what_is_not() -> None:
    page = (ROOT / "agents/schemas/README.md").read_text().partition("## Numbers and days that are read")[2]
    parts = [part for part in page.split("\n\n") if part.startswith("| read |")]
    for part, find in zip(parts, (numbers, dates), strict=True):
        for form, reading in ROW.findall(part):
            for written_form in NAME.findall(form):
                found = [reading for place in find(written_form) for reading in place.readings]
                assert bool(found) == (reading.strip() != "not read"), written_form


def test_every_folder_of_tests_has_a_row_and_every_row_is_a_folder() -> None:
    paths = [path.relative_to(ROOT).parts for path in written()]
    folders = {parts[1] + "/" for parts in paths if parts[0] == "tests" and len(parts) > 2}
    assert sorted(named("tests/README.md")) == sorted(folders)


def test_every_effect_has_a_row_of_what_make_effects_prints_and_every_row_is_an_effect() -> None:
    assert [(row[0], row[1], row[-2], row[-1]) for row in rows()] == [
        (effect.name, effect.runs_as.value, "yes" if effect.paid else "no", effect.world) for effect in EFFECTS
    ]
