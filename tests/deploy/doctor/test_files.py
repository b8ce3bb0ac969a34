"""What doctor says about modes, secrets, keys, digests, the disk and installed packages: fine, and really wrong."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.adapters.databases.open import open_database
from activities.adapters.temporal.payload_keys import payload_keys
from activities.settings import Approvals, Callers, Payloads, Settings
from deploy.doctor import files, host
from deploy.doctor.files import DIGESTS, KEYS, MODES, SECRETS
from deploy.doctor.finding import State
from deploy.doctor.host import DISK, VERSIONS
from tests.deploy.doctor.conftest import Findings
from tests.support.runs.people import PUBLIC


def test_one_file_that_others_may_read_is_named(settings: Settings, findings: Findings) -> None:
    state = settings.paths.state
    assert findings(settings, MODES)["file modes"].state is State.SKIPPED
    logs = state / "logs"
    logs.mkdir(parents=True, mode=0o700)
    state.chmod(0o700)
    log = logs / "worker.log"
    log.write_text("x")
    log.chmod(0o600)
    assert findings(settings, MODES)["file modes"].state is State.OK
    log.chmod(0o640)
    found = findings(settings, MODES)["file modes"]
    assert found.state is State.WRONG
    assert f"{log} is 0640" in found.what
    assert found.remedy == f"`chmod -R go= {state}`"


def test_a_key_or_a_configuration_that_others_may_read_is_named(
    settings: Settings, findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, config, folder = tmp_path / "client.key", tmp_path / "temporal.toml", tmp_path / "secrets"
    key.write_text("key")
    config.write_text(f'[profile.default]\naddress = "x:1"\n[profile.default.tls]\nclient_key_path = "{key}"\n')
    folder.mkdir()
    monkeypatch.setattr(files, "COMPOSE_SECRETS", folder)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(config))
    for path in (key, config):
        path.chmod(0o600)
    folder.chmod(0o700)
    assert findings(settings, SECRETS)["secrets"].state is State.OK
    for path, private in ((key, 0o600), (config, 0o600), (folder, 0o700)):
        path.chmod(private | 0o004)
        found = findings(settings, SECRETS)["secrets"]
        assert found.state is State.WRONG
        assert str(path) in found.what
        path.chmod(private)


async def test_keys_are_usable_or_said_to_be_not(settings: Settings, findings: Findings) -> None:
    found = findings(settings, KEYS)
    assert {finding.state for finding in found.values()} == {State.SKIPPED}
    usable = {"approvals": Approvals(keys=SecretStr(PUBLIC)), "callers": Callers(keys=SecretStr(PUBLIC), issuer="us")}
    found = findings(settings.model_copy(update=usable), KEYS)
    assert (found["keys of callers"].state, found["keys of approvals"].state) == (State.OK, State.OK)
    assert "of any issuer" in found["keys of approvals"].what
    assert "of any issuer" not in found["keys of callers"].what
    broken = {"approvals": Approvals(keys=SecretStr("no key of any kind"))}
    found = findings(settings.model_copy(update=broken), KEYS)["keys of approvals"]
    assert found.state is State.WRONG
    assert "no key of any kind" not in found.line


async def test_the_databases_own_key_has_an_age_and_an_old_one_is_named(
    settings: Settings, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_database(settings) as database:
        await payload_keys(Payloads(), database).sign(b"x")
    found = findings(settings, KEYS)["keys of payloads"]
    assert found.state is State.OK
    assert "0 days old" in found.what
    monkeypatch.setattr(files, "OLD", timedelta(0))
    assert findings(settings, KEYS)["keys of payloads"].state is State.WARN


def test_a_file_of_weights_with_another_digest_is_wrong_and_a_missing_one_is_told(
    settings: Settings, findings: Findings, tmp_path: Path
) -> None:
    content = b"weights"
    catalogue = tmp_path / "catalogue.toml"
    table = '[files.{name}]\nlicence = "Apache-2.0"\nfile = "{name}.bin"\nbytes = 7\nsha256 = "{digest}"\n'
    table += "carriers = []\nmembers = []\n"
    names = "minilm-l6-v2-int8", "minilm-l6-v2-tokenizer"
    tables = [table.format(name=name, digest=hashlib.sha256(content).hexdigest()) for name in names]
    catalogue.write_text("\n".join(["[tiers]", "fast = []", "[deployments]", *tables]))
    pinned = settings.model_copy(update={"paths": settings.paths.model_copy(update={"catalogue": catalogue})})
    found = findings(pinned, DIGESTS)["model files"]
    assert found.state is State.WARN
    assert all(name in found.what for name in names)
    settings.paths.models.mkdir()
    for name in names:
        (settings.paths.models / f"{name}.bin").write_bytes(content)
    assert findings(pinned, DIGESTS)["model files"].state is State.OK
    (settings.paths.models / f"{names[0]}.bin").write_bytes(b"weightz")
    found = findings(pinned, DIGESTS)["model files"]
    assert found.state is State.WRONG
    assert f"{names[0]}.bin" in found.what
    assert f"{names[1]}.bin" not in found.what


def test_little_room_is_a_warning_and_less_is_wrong(
    settings: Settings, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[State] = []
    for little, some in ((0, 0), (0, 1 << 60), (1 << 60, 1 << 60)):
        monkeypatch.setattr(host, "LITTLE", little)
        monkeypatch.setattr(host, "SOME", some)
        seen.append(findings(settings, DISK)["disk"].state)
    assert seen == [State.OK, State.WARN, State.WRONG]


def test_packages_that_differ_from_the_lock_are_counted_and_named(
    settings: Settings, findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings(settings, VERSIONS)
    assert (found["python"].state, found["packages"].state) == (State.OK, State.OK)
    lock = tmp_path / "requirements.lock"
    lines = host.LOCK.read_text().splitlines()
    changed = ["httpx==0.0.1 \\" if line.startswith("httpx==") else line for line in lines]
    lock.write_text("\n".join([*changed, "nothing-of-the-kind==1.0 \\"]))
    monkeypatch.setattr(host, "LOCK", lock)
    found = findings(settings, VERSIONS)["packages"]
    assert found.state is State.WARN
    assert found.what.startswith("2 differ")
    assert "nothing-of-the-kind is missing" in found.what
