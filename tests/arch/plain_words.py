"""Riddles that docstrings, comments, messages and pages must not hold, each with what to write instead."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.settings import ROOT
from tests.arch.files import written


@dataclass(frozen=True)
class Riddle:
    """A pattern that readers have to decode."""

    pattern: str
    instead: str
    example: str


RIDDLES = (
    Riddle(
        r"\bof which (nobody|none)\b", "say what is unknown: whose outcome is unknown", "a call of which nobody knows"
    ),
    Riddle(r"\bnone that (is|was|keeps|has)\b", "not one that ..., or no ... is", "these, and none that is older"),
    Riddle(r"\bsee the (other|first|last) one\b", "say it again: no docstring refers to another", "See the other one."),
    Riddle(r"^(the )?same as above\b|^the same; none\b|^as (above|before)\.", "say it again", "The same; None before."),
    Riddle(r"\bwhat is it is\b|\bwhat is \w+ is what\b", "name the subject once", "what is counted is what is read"),
    Riddle(
        r"\bnobody knows of\b|\bknows? of none\b", "that is unknown, that does not exist", "notices nobody knows of"
    ),
    Riddle(r"\bin vain\b", "without success, or say what failed", "it was in vain to wait"),
    Riddle(r"\bas it is told\b", "as it is reported, shown or called", "as it is told to people"),
    Riddle(
        r"\bwhere it is none\b|\bthat (is|are) none\b",
        "that cannot be read, that is not one",
        "an address that is none",
    ),
    Riddle(r"^of (what|whom)\b", "begin with a noun: the digest of ...", "Of what is called off: whether ..."),
    Riddle(r"^what of\b", "begin with a noun: the part of ...", "What of the words so far people are shown."),
    Riddle(r"\bin whose (words|message) no", "whose message holds no ...", "an error in whose words no key stands"),
    Riddle(r"\bhears? of\b", "is told, gets, learns", "the run hears of a ticket alone"),
    Riddle(r"\bneeds? nobody('s)?\b", "name what is spared", "what cannot be called needs nobody's time"),
    Riddle(r"\b(is|are) another by now\b", "has changed since", "where it is another by now"),
    Riddle(r"\bnobody has missed\b|\bis missed now\b", "say what is recorded as missing", "one that nobody has missed"),
    Riddle(r"\b(ledger|audit|record) speaks\b", "the ledger holds, records", "of that the ledger speaks"),
    Riddle(r"\bwhat there is of (it|them)\b", "name it", "what there is of it, in words"),
    Riddle(r"\b(what|whatever) (is|was) not so\b", "what is not true", "the run was told what is not so"),
    Riddle(r"\bword comes? to\b|\bwhat the word came to\b", "the outcome of a person's answer", "what a word comes to"),
    Riddle(r"\bnothing, or a but\b|\bor a but\b", "None, or a warning", "nothing, or a but"),
    Riddle(r"\bto one that was continued\b", "name it: a run that continued as new", "To one that was continued"),
    Riddle(r"\bwhoever\b[^.]*\bwhatever\b", "name the actor and the thing", "whoever asks it, and whatever they show"),
)
"""Plain words are the rule; these are the patterns that came back."""

EXEMPT = ("CHANGELOG.md", "tests/arch/plain_words.py", "tests/arch/test_plain_words.py", "evals/datasets/")
"""The past, this list, and data."""

DATA = re.compile(r"evals/datasets/|tests/replay/(histories|before_the_registry)/")

MARKS = re.compile(r"^[\s#>*|\d.()-]+")


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the words of each string and comment of a module, or of each paragraph of a page."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        line = 1
        for paragraph in re.split(r"(\n\s*\n)", source):
            yield line, _words(paragraph)
            line += paragraph.count("\n")
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, _words(node.value)
    yield from _comments(source)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """The comments of a module; those on lines that follow each other are one text."""
    begun, last, words = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield begun, words
                begun, words = token.start[0], ""
            words = f"{words} {_words(token.string)}".strip()
            last = token.start[0]
    yield begun, words


def _words(text: str) -> str:
    return " ".join(MARKS.sub("", text).split())


def riddles(text: str) -> list[Riddle]:
    """The riddles that a text holds."""
    return [riddle for riddle in RIDDLES if re.search(riddle.pattern, text, re.IGNORECASE)]


def files() -> list[Path]:
    """Every module and page that a person wrote, without data and what is exempt."""
    return [
        path
        for path in written()
        if path.suffix in (".py", ".md")
        and not path.relative_to(ROOT).as_posix().startswith(EXEMPT)
        and not DATA.search(path.relative_to(ROOT).as_posix())
    ]
