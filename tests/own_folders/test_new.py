"""`perdure new DIR` writes a project that runs by settings alone, and overwrites nothing."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.own_folders.checks import require_specs
from activities.adapters.own_folders.tool_files import all_tools
from activities.settings import ROOT, Paths
from agents.loader import Kind, Specs
from perdure.cli import app
from perdure.cli.commands import new as command
from perdure.cli.exits import Exit

FILES = (
    ".gitignore", "Makefile", "README.md", "agents/boatman.toml", "agents/club.toml", "conftest.py",
    "documents/boats.md", "documents/club-house.md", "perdure.env", "pytest.ini", "tests/test_club.py",
    "tools/reserve_boat.py",
)  # fmt: skip


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `perdure new`, which has to refuse in one line; return the line."""
    assert app.main(["new", *arguments]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    return line


def test_a_project_has_an_agent_a_tool_a_chain_two_documents_and_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "deep" / "club"
    assert app.main(["new", str(place), "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(place),
        "checkout": str(ROOT),
        "files": sorted(FILES),
    }
    assert files_in(place) == sorted(FILES)
    paths = Paths(agents=(place / "agents",), tools=(place / "tools",))
    require_specs(paths)
    specs = Specs(paths.agent_folders, all_tools(paths))
    assert specs.names(Kind.CHAIN) == ["club", "handbook"]
    assert [tool.approval for tool in specs.agent("boatman").tools] == ["always"]


def test_an_empty_folder_becomes_a_project_and_stays_the_same_folder(tmp_path: Path) -> None:
    place = tmp_path / "club"
    place.mkdir()
    before = place.stat().st_ino
    assert app.main(["new", str(place)]) == Exit.DONE
    assert place.stat().st_ino == before


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "agents"])
def test_a_folder_with_anything_in_it_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "club").mkdir()
    (tmp_path / "club" / name).write_text("mine")
    assert "is not empty, and nothing is overwritten: name another folder" in refused(capsys, str(tmp_path / "club"))
    assert files_in(tmp_path / "club") == [name]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("-club", "No such option"),
        ("my club", "'my club' is no name of a project: use letters, digits, dots, dashes and underscores"),
        ("klub-ø", "'klub-ø' is no name of a project"),
        (".club", "'.club' is no name of a project"),
        ("x" * 65, "is no name of a project"),
        ("one:two/club", "has a ':' in it, which separates folders in settings: name another place"),
        ("file", "cannot be used: Not a directory: name another folder"),
        ("file/club", "cannot be used: Not a directory: name another folder"),
        ("loop", "is no name of a project"),
    ],
)
def test_a_place_where_no_project_can_be_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("a b")
    assert reason in refused(capsys, place)
    assert files_in(tmp_path) == ["file"]


def test_a_project_within_the_checkout_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert "'mine' lies within the checkout: name a folder outside of it, as ../mine" in refused(capsys, "mine")
    assert not (ROOT / "mine").exists()


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, str(tmp_path / "club"), "--checkout", str(tmp_path))
    assert f"--checkout: '{tmp_path}' is no checkout of Perdure, it has no worker.py" in line
    assert not (tmp_path / "club").exists()


def test_after_an_error_halfway_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RENAMED", {"pytest.ini": "perdure.env"})  # which exists by then
    (tmp_path / "here").mkdir()
    for place in (tmp_path / "here", tmp_path / "deep" / "club"):
        assert "cannot be written: File exists" in refused(capsys, str(place))
    assert list(tmp_path.rglob("*")) == [tmp_path / "here"]


SHOW = 'show:\n\t@printf "%s\\n" "$$CHECKOUT" "$$PERDURE_PATHS__TOOLS" "$$PERDURE_PATHS__AGENTS" "$$QUESTION"\n'


def shown(place: Path, *arguments: str) -> list[str]:
    """Return what a recipe of the project's Makefile finds in its environment."""
    command = ["make", "--silent", f"--eval={SHOW}", "show", *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout.splitlines()


@given(st.text(st.sampled_from("ab $#'\"\\%&();~é"), min_size=1, max_size=8).filter(lambda name: name == name.strip()))
def test_the_makefile_finds_a_checkout_whatever_its_folder_is_called(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("made")
    checkout = root / name / "perdure"
    checkout.mkdir(parents=True)
    (checkout / "worker.py").touch()
    assert app.main(["new", str(root / "club"), "--checkout", str(checkout)]) == Exit.DONE
    assert shown(root / "club")[0] == str(checkout)


def test_the_makefile_names_the_projects_own_folders_and_passes_a_question_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "it's #1 $HOME" / "club"
    assert app.main(["new", str(place)]) == Exit.DONE
    question = 'What\'s $HOME, `id` & "$(id)"?'
    found = shown(place, f"QUESTION={question}", f"CHECKOUT={tmp_path}")
    assert found == [str(tmp_path), str(place / "tools"), str(place / "agents"), question]


def test_the_settings_for_the_image_are_known_settings(tmp_path: Path) -> None:
    assert app.main(["new", str(tmp_path / "club")]) == Exit.DONE
    lines = [line for line in (tmp_path / "club" / "perdure.env").read_text().splitlines() if line[:1] != "#"]
    program = "from activities.settings import load; print(*load().paths.agents, *load().paths.tools)"
    loaded = subprocess.run(
        [ROOT / ".venv" / "bin" / "python", "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, **dict(line.split("=", 1) for line in lines)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.split() == ["/project/agents", "/project/tools"], loaded.stderr
