"""Settings name folders of an author's own: as a list with separators or in JSON, beside the shipped folders."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.settings import ROOT, Paths, Settings
from deploy.local.stack.stack import passed_on

PLAIN = st.text(st.characters(exclude_characters="\0/:~", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name == name.strip() and not name.startswith(".")
)
FOLDERS = st.lists(st.lists(PLAIN, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)), max_size=4)


@given(FOLDERS)
def test_folders_are_read_the_same_with_separators_and_as_json_and_each_once(folders: list[str]) -> None:
    expected = tuple(dict.fromkeys(Path(folder) for folder in folders))
    for written in (os.pathsep.join(folders), json.dumps(folders), folders):
        assert Paths.model_validate({"tools": written}).tools == expected


def test_each_variable_of_the_environment_adds_to_the_shipped_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGENTS", "TOOLS", "SCHEMAS"):
        monkeypatch.setenv(f"PERDURE_PATHS__{name}", f"/srv/{name}:/opt/{name}")
    paths = Settings().paths
    assert paths.agent_folders == (ROOT / "agents", Path("/srv/AGENTS"), Path("/opt/AGENTS"))
    assert paths.tool_folders == (ROOT / "tools", Path("/srv/TOOLS"), Path("/opt/TOOLS"))
    assert paths.schema_folders == (ROOT / "agents" / "schemas", Path("/srv/SCHEMAS"), Path("/opt/SCHEMAS"))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("agents,tools,schemas", ("agents", "tools", "schemas")),
        ("", ("agents", "tools", "schemas")),
        ("tools", ("tools",)),
        (" tools , schemas ", ("tools", "schemas")),
        ('["agents"]', ("agents",)),
        ("none", ()),
        ("[]", ()),
    ],
)
def test_the_shipped_folders_stay_that_the_setting_names(
    monkeypatch: pytest.MonkeyPatch, written: str, kept: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PERDURE_PATHS__SHIPPED", written)
    paths = Settings().paths
    assert paths.shipped == kept
    folders = {"agents": paths.agent_folders, "tools": paths.tool_folders, "schemas": paths.schema_folders}
    assert {name for name, found in folders.items() if found} == set(kept)


def test_a_folder_of_schemas_within_a_folder_of_agents_is_one_of_schemas(tmp_path: Path) -> None:
    (tmp_path / "agents" / "schemas").mkdir(parents=True)
    paths = Paths(agents=(tmp_path / "agents",), schemas=(tmp_path / "agents" / "schemas",), shipped=())
    assert paths.schema_folders == (tmp_path / "agents" / "schemas",)


@pytest.mark.parametrize(
    ("name", "written", "reason"),
    [
        ("TOOLS", "tools", "entry 1 is no absolute path: write it from the root"),
        ("TOOLS", "/srv/tools:lib/tools", "entry 2 is no absolute path"),
        ("AGENTS", "[bad", "it is no JSON: write"),
        ("AGENTS", "[3]", "entry 1 is no path"),
        ("SCHEMAS", '["/a\\u0000b"]', "entry 1 is no path"),
        ("SHIPPED", "agents,tolls", "Input should be 'agents', 'tools' or 'schemas'"),
        ("SHIPPED", "none,tools", "Input should be 'agents', 'tools' or 'schemas'"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_entry(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, reason: str
) -> None:
    monkeypatch.setenv(f"PERDURE_PATHS__{name}", written)
    with pytest.raises(ValidationError) as refusal:
        Settings()
    assert reason in str(refusal.value)


def test_a_process_of_the_stack_is_given_the_same_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings(paths=Paths(tools=(Path("/srv/a:b"), Path("/srv/c")), shipped=("tools",)))
    for name, value in passed_on(own).items():
        monkeypatch.setenv(name, value)
    assert Settings().paths == own.paths
