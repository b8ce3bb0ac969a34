"""Specs of an author's own folders are found beside the shipped ones; a name that two files have is refused."""

from pathlib import Path

import pytest

from activities.adapters.own_folders.checks import require_specs
from activities.ports import NotConfigured
from activities.settings import Paths
from agents.loader import BadSpec, Kind, Specs
from agents.schemas import Schemas
from tools.folder import all_tools

CHAIN = 'collection = "books"\nsystem = "Answer."\n'
AGENT = 'kind = "agent"\nsystem = "Help."\n[tools.calculator]\n'
SCHEMA = "system = 'Read.'\n[[fields]]\nname = 'total'\nkind = 'decimal'\ndescription = 'all'\n"


def specs(*folders: Path) -> Specs:
    return Specs(Paths(agents=folders).agent_folders, all_tools())


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_specs_of_several_folders_are_there_beside_the_shipped_ones(tmp_path: Path) -> None:
    written(tmp_path / "one" / "helper.toml", AGENT)
    written(tmp_path / "two" / "books.toml", CHAIN)
    found = specs(tmp_path / "one", tmp_path / "two")
    assert found.names(Kind.AGENT) == ["helper", "operations", "research", "support"]
    assert found.names(Kind.CHAIN) == ["books", "handbook"]
    assert found.agent("helper").tool("calculator")
    assert (found.chain("books").collection, found.chain("handbook").collection) == ("books", "handbook")


def test_a_name_of_two_files_is_refused_with_both_and_every_other_name_can_be_used(tmp_path: Path) -> None:
    clash = written(tmp_path / "one" / "support.toml", AGENT)
    written(tmp_path / "one" / "helper.toml", AGENT)
    found = specs(tmp_path / "one")
    with pytest.raises(BadSpec, match="two files have the name 'support': ") as refusal:
        found.agent("support")
    shipped = Paths().agent_folders[0] / "support.toml"
    assert f"{shipped} and {clash}: rename one, or leave the shipped folder out by PERDURE_PATHS__SHIPPED" in str(
        refusal.value
    )
    assert found.agent("helper").name == "helper"
    with pytest.raises(NotConfigured, match=r"\Atwo files have the name 'support': [^\n]*\Z"):
        require_specs(Paths(agents=(tmp_path / "one",)))
    require_specs(Paths(agents=(tmp_path / "one",), shipped=("tools",)))


def test_one_file_that_two_folders_link_to_is_no_clash(tmp_path: Path) -> None:
    written(tmp_path / "one" / "helper.toml", AGENT)
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert specs(tmp_path / "one", tmp_path / "two").agent("helper").name == "helper"
    require_specs(Paths(agents=(tmp_path / "one", tmp_path / "two")))


def test_a_spec_that_moves_to_another_folder_is_read_there(tmp_path: Path) -> None:
    first = written(tmp_path / "one" / "helper.toml", AGENT)
    found = specs(tmp_path / "one", tmp_path / "two")
    before = found.agent("helper")
    written(tmp_path / "two" / "helper.toml", AGENT.replace("Help.", "Hope."))
    first.unlink()
    assert found.agent("helper").digest != before.digest


def test_a_mistake_names_the_file_with_its_folder_and_not_the_place_of_the_folder(tmp_path: Path) -> None:
    written(tmp_path / "bots" / "helper.toml", AGENT + "colour = 'red'\n")
    with pytest.raises(BadSpec, match=r"\Abots/helper\.toml: tools\.calculator\.colour: Extra inputs"):
        specs(tmp_path / "bots").agent("helper")
    written(tmp_path / "agents" / "schemas" / "bill.toml", "colour = 'red'\n" + SCHEMA)
    with pytest.raises(BadSpec, match=r"\Aagents/schemas/bill\.toml: colour: Extra inputs"):
        Schemas(Paths(agents=(tmp_path / "agents",)).schema_folders).extraction("bill")


def test_a_link_that_leads_to_itself_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "helper.toml").symlink_to(tmp_path / "helper.toml")
    with pytest.raises(BadSpec, match=r"helper\.toml cannot be read: Too many levels of symbolic links"):
        specs(tmp_path).agent("helper")
    assert "helper" not in specs(tmp_path).names(Kind.AGENT)


def test_schemas_of_several_folders_are_there_and_a_clash_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "more" / "bill.toml", SCHEMA)
    paths = Paths(schemas=(tmp_path / "more",))
    assert Schemas(paths.schema_folders).names() == ["bill", "incident", "invoice"]
    assert Schemas(paths.schema_folders).extraction("bill").fields
    written(tmp_path / "more" / "invoice.toml", SCHEMA)
    with pytest.raises(BadSpec, match=r"two files have the name 'invoice': \S*invoice\.toml and \S*invoice\.toml: "):
        Schemas(paths.schema_folders).extraction("invoice")
    with pytest.raises(NotConfigured, match="two files have the name 'invoice'"):
        require_specs(paths)


@pytest.mark.parametrize("kind", ["agents", "schemas"])
def test_a_folder_that_is_not_there_is_one_line_with_the_setting(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotConfigured) as refusal:
        require_specs(Paths.model_validate({kind: [tmp_path / "absent"]}))
    assert str(refusal.value) == (
        f"PERDURE_PATHS__{kind.upper()} names '{tmp_path / 'absent'}', which is no folder that can be read "
        "(No such file or directory): correct it"
    )
