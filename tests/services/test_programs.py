"""A program that is missing skips its tests with the reason, and fails them under CI."""

import pytest

from tests.services.programs import require


def test_a_program_that_is_there_is_found() -> None:
    assert require("sh", "install a shell").name == "sh"


def test_a_missing_program_skips_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not on this machine: install it"):
        require("no-such-server", "install it")


def test_a_missing_program_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install it; CI skips nothing"):
        require("no-such-server", "install it")
