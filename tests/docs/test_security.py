"""The pages about trust and data name everything that there is: settings that hold secrets, tables, places, roles."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr

from activities.adapters.databases.tables import schema
from activities.composition import WorkerRole
from activities.settings import ROOT, Settings
from activities.settings.state_folder import PLACES
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES

DATA_FLOW = (ROOT / "deploy" / "DATA_FLOW.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
CLOUD = (ROOT / "deploy" / "TEMPORAL_CLOUD.md").read_text()

ROLES = ("caller", "reviewer", "operator", "author", "worker", "model server", "documents", "Temporal server")


def section(page: str, heading: str) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_column(part: str) -> set[str]:
    """The names in the first column of the tables of a part."""
    rows = re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def secrets(model: type[BaseModel] = Settings, prefix: str = "PERDURE_") -> Iterator[str]:
    """Every setting that holds a secret, by its variable."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        kinds = list(parts(field.annotation))
        if SecretStr in kinds:
            yield variable
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secrets(kind, f"{variable}__")


def parts(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind):
        yield from parts(part)


def test_every_setting_that_holds_a_secret_is_in_the_page_and_no_other() -> None:
    named = {name for name in first_column(section(DATA_FLOW, "Secrets")) if name.startswith("PERDURE_")}
    assert named - {"PERDURE_TOKEN"} == set(secrets())
    assert len(named) > 5


def test_every_table_of_the_database_is_in_the_page_and_no_other() -> None:
    assert first_column(section(DATA_FLOW, "The database")) == {*schema.tables, "alembic_version"}


def test_every_table_of_the_token_log_is_in_the_page() -> None:
    source = (ROOT / "activities" / "adapters" / "tokens" / "sql_token_log.py").read_text()
    tables = re.findall(r'= Table\(\n\s+"(\w+)"', source)
    assert tables
    assert all(f"`{table}`" in section(DATA_FLOW, "The database") for table in tables)


def test_every_place_of_the_state_folder_is_in_the_page_and_no_other() -> None:
    assert first_column(section(DATA_FLOW, "The state folder")) == {f"var/{place}" for place in PLACES}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_row_that_says_what_it_is_trusted_with_and_what_holds_it_back(role: str) -> None:
    row = next(line for line in SECURITY.splitlines() if line.startswith(f"| {role}"))
    assert len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 3


def test_secrets_are_given_to_roles_of_workers_that_exist() -> None:
    named = set(re.findall(r"roles? (`\w+`(?: and `\w+`)*)", section(DATA_FLOW, "Secrets")))
    roles = {name for each in named for name in re.findall(r"`(\w+)`", each)}
    assert roles
    assert roles <= {role.value for role in WorkerRole}


def test_the_page_about_temporal_cloud_registers_every_search_attribute_with_its_type() -> None:
    from activities.adapters.temporal.search_attributes import type_of

    written = dict(re.findall(r'--search-attribute "(\w+)=(\w+)"', CLOUD))
    assert written == {key.name: type_of(key.name) for key in SEARCH_ATTRIBUTES}


def test_the_page_says_how_to_report_a_weakness_in_private() -> None:
    part = section(SECURITY, "Report a weakness")
    assert "private" in part
    assert "Do\nnot open a public issue" in part
