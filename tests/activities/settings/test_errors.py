"""An error about a setting names it and the remedy, and never shows a value: any value may hold a secret."""

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activities import settings as tree
from activities.settings import Model, Settings
from activities.settings.names import setting_names

MARK = "hunter2"
"""The value that stands for a secret. No setting's name and no message contains it."""

NAMES = [name for name, _ in setting_names(Settings)]
"""The names of every setting and of every group of them."""


def _with_mark(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from([MARK, "fast", "acme", "micro_dollars", "postgres", f"https://u:{MARK}@host/v1"])
    return st.lists(entries, max_size=2) | st.dictionaries(names, entries, max_size=3)


PLAIN = st.sampled_from([MARK, f"redis://:{MARK}@host:port/0", f"{MARK}\n{MARK}", f"[{MARK}", f"{{'{MARK}': 1}}"])
VALUES = PLAIN | st.recursive(st.sampled_from([MARK, 5, -1, None, True]), _with_mark, max_leaves=5).map(json.dumps)
"""Values that somebody may set: a word, an address, JSON of any shape or broken JSON, with the mark in it."""

MISTAKES = st.sampled_from(["", "", "S", "X", "__X", "_NAME"])
"""Suffixes after a setting's name; mostly empty."""


def refusal(environment: dict[str, str], secrets: Path) -> str | None:
    """Return the message that reading these settings prints; None where they can be used."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    with (
        mock.patch.dict(os.environ, {**others, **environment}, clear=True),
        mock.patch.dict(Settings.model_config, {"secrets_dir": secrets}),
    ):
        tree.load.cache_clear()
        try:
            tree.load()
        except SystemExit as ended:
            return str(ended)
        finally:
            tree.load.cache_clear()
    return None


@given(name=st.sampled_from(NAMES), mistake=MISTAKES, value=VALUES, kind=st.sampled_from(["variable", "file"]))
@settings(max_examples=300, deadline=None)
def test_no_value_of_a_setting_is_ever_shown(
    tmp_path_factory: pytest.TempPathFactory, name: str, mistake: str, value: str, kind: str
) -> None:
    folder, key = tmp_path_factory.mktemp("secrets"), f"{name}{mistake}"
    if kind == "file":
        (folder / key.lower()).write_text(value)
    message = refusal({} if kind == "file" else {key: value}, folder)
    if message is not None:
        assert MARK not in message
        assert "\n" not in message
        assert name in message


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_is_refused_is_named_with_the_remedy(name: str, tmp_path: Path) -> None:
    shapes = [MARK, json.dumps({MARK: [MARK]}), json.dumps([MARK])]
    environments = [*({name: shape} for shape in shapes), {f"{name}__NO_SUCH": MARK}]
    messages = [message for each in environments if (message := refusal(each, tmp_path)) is not None]
    assert messages, "each can be set to something that it cannot hold"
    for message in messages:
        assert name in message
        assert "Correct it or unset it" in message
        assert MARK not in message


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("PERDURE_MODEL__API_KEY", "PERDURE_MODEL__API_KEYS"),
        ("PERDURE_DATABASE__POSTGRESQL", "PERDURE_DATABASE__POSTGRES"),
        ("PERDURE_DATABASE__URL", "PERDURE_DATABASE"),
        ("PERDURE_TOKENS__REDDIS", "PERDURE_TOKENS__REDIS"),
        ("PERDURE_LIMITS__DAILY__MICRO_DOLLAR", "PERDURE_LIMITS__DAILY__MICRO_DOLLARS"),
    ],
)
def test_a_name_that_is_not_known_is_told_the_nearest_that_is(wrong: str, nearest: str, tmp_path: Path) -> None:
    message = refusal({wrong: MARK}, tmp_path)
    assert message is not None
    assert f"{wrong}: there is no such setting, the nearest is {nearest}" in message
    assert MARK not in message


def test_a_secret_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "perdure_database__postgres").write_bytes(b"\xff\xfe" + MARK.encode())
    message = refusal({}, tmp_path)
    assert message is not None
    assert "no text in UTF-8" in message
    assert MARK not in message


def test_an_error_that_nobody_explains_shows_no_value_either() -> None:
    with pytest.raises(ValidationError) as failed:
        Model.model_validate({"api_keys": {"openai": [MARK]}, "key": MARK})
    assert MARK not in str(failed.value)
