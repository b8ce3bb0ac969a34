"""No message quotes a file that may hold keys: the model catalogue and Temporal's configuration."""

from pathlib import Path

import pytest

from activities.adapters.model_servers.catalogue import CatalogueFile
from activities.ports import NotConfigured
from deploy.local.stack.temporal import external_address
from deploy.processes.errors import DeployError
from perdure.client import Platform
from perdure.contracts.temporal.connection import connect_config
from perdure.errors import NoServer

MARK = "hUnter2"

CATALOGUE = """
[deployments.small]
model = "small-1"
provider = "openai"
endpoint = "https://models.example/v1"
context_window = 100
concurrency = 4
prices = { input = 1, output = 2 }
api_key = "cloud"

[tiers]
fast = ["small"]
"""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"cloud"', f'"sk-{MARK}"'),
        ('"cloud"', f'["{MARK}"]'),
        ('api_key = "cloud"', f'admin_key = "{MARK}"'),
        ("api_key", "apikey"),
        ("https://", f"https://user:{MARK}@"),
        ("https://models.example/v1", f"{MARK}"),
        ("concurrency = 4", ""),
        ("[deployments.small]", f'[deployments]\nother = "{MARK}"\n[deployments.small]'),
    ],
)
def test_no_key_in_a_catalogue_is_quoted_where_it_cannot_be_used(was: str, becomes: str, tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    text = CATALOGUE.replace(was, becomes)
    file.write_text(text if MARK in text else text.replace('"cloud"', f'"{MARK}"'))
    with pytest.raises(NotConfigured, match=r"the model catalogue models\.toml: ") as refused:
        CatalogueFile(file, {})
    assert MARK not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [f"api_key = {MARK}", f'api_key = "{MARK}', f'api_key = ["{MARK}"]', f'api_key = "{MARK}"\ntls = 5', "[profile.x]"],
)
async def test_temporals_configuration_is_told_by_its_place_alone(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.default]\naddress = "127.0.0.1:1"\n{text}\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    if text == "[profile.x]":
        monkeypatch.setenv("TEMPORAL_PROFILE", MARK)
    printed: list[str] = []
    with pytest.raises(ConnectionError) as read:
        connect_config()
    printed.append(str(read.value))
    with pytest.raises(NoServer) as connected:
        await Platform.connect()
    printed.append(str(connected.value))
    with pytest.raises(DeployError) as deployed:
        external_address()
    printed.append(str(deployed.value))
    for line in printed:
        assert "Temporal's configuration cannot be used" in line
        assert MARK not in line
        assert "\n" not in line


def test_a_file_that_temporals_configuration_names_is_not_named_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", f"/nowhere/{MARK}")
    with pytest.raises(ConnectionError, match="cannot be read \\(No such file") as refused:
        connect_config()
    assert MARK not in str(refused.value)
