"""Settings are read from the environment and from secret files, and a mistake in either is a message of one line."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from activities import settings as tree
from activities.settings import Settings
from perdure.contracts.windows import WindowLimit


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    return tmp_path


def test_a_setting_may_be_a_file(secrets: Path) -> None:
    (secrets / "perdure_database__postgres").write_text("postgresql://perdure:hidden@db/perdure")
    (secrets / "perdure_model__api_keys").write_text('{"sglang": "hidden"}')
    settings = Settings()
    assert settings.database.postgres is not None
    assert settings.database.postgres.get_secret_value() == "postgresql://perdure:hidden@db/perdure"
    assert settings.model.api_keys["sglang"].get_secret_value() == "hidden"
    assert "hidden" not in repr(settings)


def test_the_limits_of_foreign_work_are_read_and_one_that_cannot_be_kept_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_FOREIGN_WORK__MEMORY_MIB", "1024")
    monkeypatch.setenv("PERDURE_FOREIGN_WORK__REMEMBERED", "PT10M")
    assert (Settings().foreign_work.memory_mib, Settings().foreign_work.remembered) == (1024, timedelta(minutes=10))
    monkeypatch.setenv("PERDURE_FOREIGN_WORK__MEMORY_MIB", "1")
    with pytest.raises(ValidationError, match=r"foreign_work\.memory_mib"):
        Settings()


def test_the_environment_comes_before_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "perdure_store__weaviate").write_text("http://file:8080")
    monkeypatch.setenv("PERDURE_STORE__WEAVIATE", "http://environment:8080")
    assert Settings().store.weaviate == "http://environment:8080"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DAILY", '{"dollars": 5}', "DAILY: in its JSON, entry 1: it has a name that is not known, the nearest is"),
        ("DAILY", '{"micro_dollars": -1}', "DAILY: in its JSON, micro_dollars: Input should be greater than"),
        ("DAILY", '{"tool_calls": 5}', "tool_calls: only what models cost is counted by the day"),
        ("DAILY__MICRO_DOLLARS", "much", "DAILY__MICRO_DOLLARS: Input should be a valid integer"),
        ("TENANTS", '{"acme": {"micro_dollar": 5}}', "TENANTS: in its JSON, entry 1, entry 1: it has a name"),
        ("TENANTS", '{"acme": {}, "No Such": {}}', "TENANTS: in its JSON, entry 2: String should match pattern"),
        ("TENANTS", '{"acme": 5}', "TENANTS: in its JSON, entry 1: Input should be a valid dictionary"),
        ("TENANTS", "acme", "TENANTS: has to be JSON, an object"),
    ],
)
def test_a_daily_limit_that_would_not_be_kept_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"PERDURE_LIMITS__{name}", value)
    tree.load.cache_clear()
    try:
        with pytest.raises(SystemExit) as refusal:
            tree.load()
    finally:
        tree.load.cache_clear()
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_tenants_own_limit_takes_the_place_of_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().limits.of("acme") is None
    monkeypatch.setenv("PERDURE_LIMITS__DAILY__MICRO_DOLLARS", "5000000")
    monkeypatch.setenv("PERDURE_LIMITS__TENANTS", '{"acme": {"steps": 9}, "free": {}}')
    limits = Settings().limits
    assert limits.of("anybody") == WindowLimit(micro_dollars=5_000_000)
    assert limits.of("acme") == WindowLimit(steps=9)
    assert limits.of("free") is None


def test_other_peoples_files_are_left_alone(secrets: Path) -> None:
    (secrets / "postgres_password").write_text("not ours")
    assert Settings().database.postgres is None


def test_a_file_that_names_no_setting_is_one_line(secrets: Path) -> None:
    (secrets / "perdure_database__postgress").write_text("x")
    tree.load.cache_clear()
    try:
        with pytest.raises(SystemExit, match=r"cannot be used: PERDURE_DATABASE__POSTGRESS: there is"):
            tree.load()
    finally:
        tree.load.cache_clear()
