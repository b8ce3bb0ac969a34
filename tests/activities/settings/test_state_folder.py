"""Everything in the state folder is its owner's alone: what is new by a mask, and an older folder is mended."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.settings.state_folder import PLACES, exposed, keep_private


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    """Begin with the mask that most machines have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def used(state: Path) -> list[Path]:
    """Make a folder as an older version left it: readable by everybody."""
    folder = state / "index" / "default" / "handbook"
    folder.mkdir(parents=True)
    files = [state / "perdure.db", state / "perdure.db-wal", state / "temporal.db.restoring", folder / "live.json"]
    for file in files:
        file.write_text("x")
    return [state, folder, *files]


def test_an_older_folder_is_mended_with_all_that_is_ours(tmp_path: Path) -> None:
    state = tmp_path / "var"
    ours = used(state)
    assert set(exposed(state)) >= set(ours)
    keep_private(state)
    assert list(exposed(state)) == []
    assert {mode(path) for path in ours if path.is_dir()} == {0o700}
    assert {mode(path) for path in ours if path.is_file()} == {0o600}


def test_what_is_written_afterwards_is_private_too(tmp_path: Path) -> None:
    keep_private(tmp_path / "var")
    new = tmp_path / "var" / "logs" / "worker.log"
    new.parent.mkdir(parents=True)
    new.write_text("x")
    assert (mode(new), mode(new.parent), mode(tmp_path / "var")) == (0o600, 0o700, 0o700)


def test_a_folder_that_holds_other_things_too_keeps_them_as_they_are(tmp_path: Path) -> None:
    state = tmp_path / "home"
    used(state)
    program, link = state / "program.sh", state / "logs"
    program.write_text("x")
    program.chmod(0o755)
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    link.symlink_to(outside)
    keep_private(state)
    assert (mode(program), mode(outside)) == (0o755, 0o755)
    assert mode(state / "perdure.db") == 0o600


@pytest.mark.parametrize("kind", ["everybody's, such as /tmp", "one with nothing of ours"])
def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "elsewhere"
    state.mkdir()
    (state / ("perdure.db" if "everybody" in kind else "letter.txt")).write_text("x")
    state.chmod(0o1777 if "everybody" in kind else 0o755)
    before = mode(state)
    keep_private(state)
    assert mode(state) == before


@given(place=st.sampled_from(sorted(PLACES)), bits=st.integers(0, 0o077))
def test_only_the_rights_of_others_are_taken(tmp_path_factory: pytest.TempPathFactory, place: str, bits: int) -> None:
    state = tmp_path_factory.mktemp("state")
    file = state / place
    file.write_text("x")
    file.chmod(0o700 | bits)
    state.chmod(0o755)
    keep_private(state)
    assert (mode(file), mode(state)) == (0o700, 0o700)
