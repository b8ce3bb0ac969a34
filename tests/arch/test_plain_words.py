"""No docstring, comment, message or page speaks in a riddle that readers have complained about."""

from pathlib import Path

import pytest

from activities.settings import ROOT
from tests.arch.plain_words import RIDDLES, Riddle, files, riddles, texts_of


def test_every_file_speaks_plainly() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text[:100]!r}: {riddle.instead}"
        for path in files()
        for line, text in texts_of(path)
        for riddle in riddles(text)
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("riddle", RIDDLES, ids=lambda riddle: riddle.example)
def test_each_riddle_is_found(riddle: Riddle) -> None:
    assert riddle in riddles(riddle.example)


@pytest.mark.parametrize("name", ["planted.py", "planted.md"])
def test_a_planted_riddle_is_found(name: str, tmp_path: Path) -> None:
    planted = tmp_path / name
    mark = '"""A module."""\n\n# ' if name.endswith(".py") else "# A page\n\n- "
    planted.write_text(f"{mark}A call of which\n{'# ' if name.endswith('.py') else '  '}nobody knows the outcome.\n")
    [(line, found)] = [(line, riddles(text)) for line, text in texts_of(planted) if riddles(text)]
    assert line == 3
    assert found == [RIDDLES[0]]


@pytest.mark.parametrize(
    "text",
    [
        "None where it has no outcome.",
        "The digest of what was asked.",
        "A call whose outcome is unknown.",
        "is told to",
    ],
)
def test_a_plain_sentence_is_no_riddle(text: str) -> None:
    assert riddles(text) == []
