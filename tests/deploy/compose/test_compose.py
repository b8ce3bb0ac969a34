"""The compose file: its settings exist, images have versions, secrets are files, and ports listen on loopback."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from activities.settings import ROOT, Settings
from deploy.compose.secret_files import make_secrets
from deploy.local.stack.temporal import DYNAMIC_CONFIG
from deploy.sglang.profile import read
from worker import WorkerRole

FOLDER = ROOT / "deploy" / "compose"
FILE = FOLDER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

ONE_SHOT = {"temporal-schema", "register", "index"}
"""Services that do one thing and end."""

NO_SHELL = {"collector"}
"""Services without a health check: the image of the collector holds no program that could make one."""

each_service = pytest.mark.parametrize("name", SERVICES)


def settings_named() -> set[str]:
    """Return every setting of the platform, as an environment variable."""
    return {
        f"PERDURE_{group}__{name}".upper()
        for group, field in Settings.model_fields.items()
        for name in cast("Any", field.annotation).model_fields
    }


def settings_used() -> set[str]:
    """Return every setting that the compose file or its image sets, in the environment or by a secret file."""
    image = re.findall(r"\bPERDURE_\w+", (FOLDER / "Dockerfile").read_text())
    environment = [name for service in SERVICES.values() for name in service.get("environment", {})]
    return {name.upper() for name in [*image, *environment, *COMPOSE["secrets"]] if name.upper().startswith("PERDURE_")}


def test_every_setting_that_is_named_exists() -> None:
    assert len(settings_used()) > 8
    assert settings_used() - settings_named() == set()


def test_the_settings_can_be_used_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_secrets(tmp_path)
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    for name, value in SERVICES["worker-generation"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.paths.catalogue.is_file()
    assert set(settings.model.endpoints) == set(settings.model.api_keys) == {"sglang"}
    assert settings.tokens.redis == settings.shared.redis
    assert settings.database.postgres is not None


@each_service
def test_an_image_has_a_version(name: str) -> None:
    image: str = SERVICES[name]["image"]
    assert re.fullmatch(r"[a-z][\w./-]*:v?\d+\.\d+\.?\d*[\w.-]*", image), image


@each_service
def test_a_port_is_published_on_loopback_alone(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []


@each_service
def test_a_service_that_stays_says_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "unless-stopped"
        assert ("test" in service.get("healthcheck", {})) == (name not in NO_SHELL)


@each_service
def test_a_secret_that_is_used_is_declared_and_no_environment_holds_one(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    text = json.dumps([service.get("entrypoint"), service.get("command")])
    assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(service.get("secrets", []))
    secret = re.compile(r"(PASSWORD|PWD|KEY|KEYS|SECRET|TOKEN)$")
    assert [key for key in service.get("environment", {}) if secret.search(key)] == []


def test_sglang_is_launched_as_its_profile_says() -> None:
    *_, line = SERVICES["sglang"]["entrypoint"]
    words = shlex.split(line.replace("$$", "$"))
    substitutions = {**SERVICES["sglang"]["environment"], "0.0.0.0": "127.0.0.1"}  # noqa: S104 - within its container
    words = [
        substitutions.get(word.removeprefix("$"), word) for word in words[words.index("sglang.launch_server") + 1 :]
    ]
    key = words.index("--api-key")
    assert words[:key] + words[key + 2 :] == [word for flag in read("one-gpu").flags for word in flag.words]


def test_every_role_has_a_worker() -> None:
    commands = [service["command"] for name, service in SERVICES.items() if name.startswith("worker-")]
    assert sorted(command[command.index("--role") + 1] for command in commands) == sorted(WorkerRole)


def test_a_worker_that_is_told_to_stop_has_the_time() -> None:
    from worker import GRACE

    assert int(SERVICES["worker-workflows"]["stop_grace_period"].removesuffix("s")) > GRACE.total_seconds()


def test_temporal_is_as_fair_as_the_embedded_one() -> None:
    dynamic: dict[str, Any] = yaml.safe_load((FOLDER / "temporal-dynamic.yaml").read_text())
    embedded = {value for value in DYNAMIC_CONFIG if value.startswith("matching.")}
    assert {f"{name}={json.dumps(value[0]['value'])}" for name, value in dynamic.items()} == embedded


def test_what_a_service_mounts_from_here_is_here() -> None:
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) == 3
    assert [path for path in mounted if not (FOLDER / path).is_file()] == []


def test_the_collector_listens_where_workers_send() -> None:
    collector: dict[str, Any] = yaml.safe_load((FOLDER / "collector.yaml").read_text())
    [port] = re.findall(r":(\d+)$", collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"])
    assert SERVICES["worker-workflows"]["environment"]["PERDURE_TELEMETRY__OTLP_ENDPOINT"] == f"http://collector:{port}"


def test_docker_compose_takes_it_where_there_is_one(tmp_path: Path) -> None:
    """Docker's client is enough: `config` needs no engine. The other tests need neither."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not on this machine: the compose file was read, but not by its own client")
    folder = tmp_path / "deploy" / "compose"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
    make_secrets(folder / "secrets")
    checked = subprocess.run(
        [docker, "compose", "--file", str(folder / "compose.yaml"), "--profile", "index", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert sorted(make_secrets(folder)) == sorted(COMPOSE["secrets"])
    assert folder.stat().st_mode & 0o777 == 0o700
    secrets = {file.name: file.read_text() for file in folder.iterdir()}
    assert len(set(secrets.values())) == len(secrets) - 1, "tokens and shared state are in the same Redis"
    assert secrets["postgres_password"] in secrets["perdure_database__postgres"]
    (folder / "perdure_tokens__redis").unlink()
    assert make_secrets(folder) == ["perdure_tokens__redis"]
    assert {file.name: file.read_text() for file in folder.iterdir()} == secrets
