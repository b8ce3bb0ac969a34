"""Changes of an author's files: a burst of edits is one change, and what changes no content is none."""

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from activities import settings as tree
from activities.settings import ROOT, Settings
from deploy.local.stack import sources
from deploy.local.stack.sources import LONGEST, QUIET, Burst, Contents, Reader, Sources, changed, next_burst

FILES = [Path(name) for name in ("one.py", "two.py", "three.toml")]

EDITS = st.lists(
    st.tuples(st.sets(st.sampled_from(FILES)), st.floats(min_value=0.01, max_value=2 * QUIET)), min_size=1, max_size=40
)
"""What changed at each look, and how many seconds after the look before."""


@given(EDITS)
def test_every_edit_is_in_exactly_one_burst_and_no_burst_outlasts_the_limit(
    edits: list[tuple[set[Path], float]],
) -> None:
    now, burst, began = 0.0, Burst(), 0.0
    seen: list[set[Path]] = []
    pending: set[Path] = set()
    for files, seconds in (*edits, (set[Path](), LONGEST)):
        now += seconds
        began = now if files and not pending else began
        pending |= files
        burst = burst.with_changes(files, now)
        assert burst.files == pending
        if burst.is_over(now):
            seen.append(set(burst.files))
            burst, pending = Burst(), set[Path]()
        elif pending:
            assert now - began < LONGEST
    assert not pending
    assert set[Path]().union(*seen) == set[Path]().union(*(files for files, _ in edits))


@given(st.lists(st.floats(min_value=0.01, max_value=QUIET * 0.9), min_size=1, max_size=6))
def test_edits_that_follow_each_other_closely_are_one_burst(pauses: list[float]) -> None:
    now, burst = 0.0, Burst()
    for pause in pauses:
        now += pause
        burst = burst.with_changes({FILES[0]}, now)
        assert not burst.is_over(now + QUIET * 0.9) or now + QUIET * 0.9 - burst.began >= LONGEST
    assert burst.is_over(now + QUIET * 1.01)


@given(st.dictionaries(st.sampled_from(FILES), st.text(max_size=2)), st.dictionaries(st.sampled_from(FILES), st.text()))
def test_what_changed_is_what_differs_and_nothing_else(before: dict[Path, str], after: dict[Path, str]) -> None:
    files = changed(before, after)
    assert files == changed(after, before)
    assert all((path in files) == (before.get(path) != after.get(path)) for path in FILES)


def contents(folder: Path, reader: Reader) -> Contents:
    return reader.contents(((folder, "**/*.py"),))


def test_a_touched_file_is_not_changed_and_one_of_the_same_size_is(tmp_path: Path) -> None:
    reader, file = Reader(), tmp_path / "tool.py"
    file.write_text("x = 1")
    before = contents(tmp_path, reader)
    os.utime(file, (1, 1))
    assert not changed(before, contents(tmp_path, reader))
    file.write_text("x = 2")
    assert changed(before, contents(tmp_path, reader)) == {file}


def test_files_of_editors_and_other_kinds_of_files_are_left_out_and_those_in_folders_are_not(tmp_path: Path) -> None:
    reader = Reader()
    before = contents(tmp_path, reader)
    for name in (".tool.py", ".#tool.py", ".idea/tool.py", "tool.py~", "tool.pyc", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert not changed(before, contents(tmp_path, reader))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tool.py").write_text("x")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert changed(before, contents(tmp_path, reader)) == {tmp_path / "more" / "tool.py"}


def test_a_folder_that_appears_later_is_noticed(tmp_path: Path) -> None:
    reader, folder = Reader(), tmp_path / "tools"
    before = contents(folder, reader)
    folder.mkdir()
    (folder / "tool.py").write_text("x")
    assert changed(before, contents(folder, reader)) == {folder / "tool.py"}


def test_the_files_that_the_settings_name_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "perdure_model__api_keys").write_text("{}")
    (secrets / "token-of-the-cluster").write_text("it changes every hour")
    monkeypatch.setattr(tree, "SECRETS", secrets)
    followed = Sources.of(Settings())
    code = set(Reader().contents(followed.code))
    specs = set(Reader().contents(followed.specs))
    assert {ROOT / "tools" / "calculator.py", ROOT / "deploy" / "models" / "local.toml"} < code
    assert {path for path in code if path.is_relative_to(tmp_path)} == {secrets / "perdure_model__api_keys"}
    assert {ROOT / "agents" / "support.toml", ROOT / "agents" / "schemas" / "invoice.toml"} < specs
    assert not code & specs


def test_a_burst_ends_with_all_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(sources.time, "monotonic", lambda: clock[0])
    states: list[Contents] = [{}, {FILES[0]: "a"}, {FILES[0]: "b"}, {FILES[0]: "b", FILES[1]: "c"}]
    states += [states[-1]] * 9

    def looks() -> Generator[None, None, tuple[frozenset[Path], Contents]]:
        return (yield from next_burst(lambda: states.pop(0), {}))

    def look_and_wait() -> tuple[frozenset[Path], Contents]:
        work = looks()
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value
            clock[0] += 0.1

    assert look_and_wait() == (frozenset(FILES[:2]), {FILES[0]: "b", FILES[1]: "c"})
