"""Collects honest texts of five kinds from what is installed, by a seed, in two halves that share no source."""

import email
import email.policy
import random
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from activities.adapters.guards.injection.features import plain
from evals.injection.honest_phrases import Phrases
from evals.injection.honest_pieces import blocks, docstrings, messages, passages, records, tables
from evals.injection.honest_sources import MODULES, PAGES, PROGRAMS, RECORDS, Half, Source, read, sources

FILES = 12
"""The most files of one source that are looked through."""
SHORTEST, LONGEST = 20, 20_000
"""The length of a collected text, in characters."""
OF_A_DATA_FILE = 40
"""The most tables that are made of one data file."""
PHRASE_BOOK = "phrases.toml"
"""The source of what is put together from phrases."""


class Kind(StrEnum):
    """A kind of honest text."""

    PROSE = "prose"
    """Passages of documentation."""
    EMAIL = "e-mail"
    """The test messages of the standard library, and e-mails that are put together from phrases."""
    TABLES = "tables"
    """Tables of documentation, and records of data files in the layouts of tables."""
    CODE = "code"
    """Blocks of programs."""
    CHAT = "chat"
    """Questions to people and users' messages in programs and pages, and messages put together from phrases."""


@dataclass(frozen=True)
class HonestText:
    """A text that is no attack, and where it stands."""

    kind: Kind
    source: str
    text: str


def collect(
    kind: Kind, half: Half, count: int, *, seed: int, share: int, known: Iterable[HonestText] = ()
) -> list[HonestText]:
    """Collect up to so many different texts, at most `share` of a source, without the known ones.

    Where too few are installed, phrases give the rest of the e-mails and chat messages; of other kinds there are fewer.
    """
    old = {plain(one.text) for one in known}
    chance = random.Random(f"{seed} {kind.value} {half.value}")  # noqa: S311 - a sample that anybody can draw again
    found = dict[str, HonestText]()
    for source, text in _real(kind, half, share, chance):
        if SHORTEST <= len(text) <= LONGEST and plain(text) not in old:
            found.setdefault(plain(text), HonestText(kind, source, text))
        if len(found) == count:
            break
    phrases = Phrases(half)
    make = {Kind.EMAIL: phrases.mail, Kind.CHAT: phrases.chat}.get(kind)
    for _ in range(20 * count if make else 0):
        if make is None or len(found) >= count:
            break
        text = make(chance)
        found.setdefault(plain(text), HonestText(kind, PHRASE_BOOK, text))
    return list(found.values())


def origins(texts: list[HonestText]) -> Counter[str]:
    """Count the texts of each source."""
    return Counter(text.source for text in texts)


def _real(kind: Kind, half: Half, share: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    if kind is Kind.EMAIL:
        yield from _stored_mails(half)
        return
    look = _LOOK[kind]
    halves = [source for source in sources() if source.half is half]
    chance.shuffle(halves)
    for source in halves:
        pieces = list(look(source, chance))
        chance.shuffle(pieces)
        yield from ((source.label, piece) for piece in pieces[:share])


def _prose(source: Source, chance: random.Random) -> Iterator[str]:
    for file in source.shuffled(PAGES, chance)[:FILES]:
        yield from passages(read(file), chance)
    for file in source.shuffled(MODULES, chance)[:FILES]:
        for docstring in docstrings(read(file)):
            yield from passages(docstring, chance)


def _tables(source: Source, chance: random.Random) -> Iterator[str]:
    for file in source.shuffled((*PAGES, *MODULES), chance)[: 4 * FILES]:
        yield from tables(read(file))
    for file in source.shuffled(RECORDS, chance)[: 4 * FILES]:
        yield from islice(records(read(file), chance), OF_A_DATA_FILE)


def _code(source: Source, chance: random.Random) -> Iterator[str]:
    for file in source.shuffled(PROGRAMS, chance)[:FILES]:
        yield from blocks(read(file), chance)


def _chat(source: Source, chance: random.Random) -> Iterator[str]:
    for file in source.shuffled((*PAGES, *MODULES), chance)[: 20 * FILES]:
        yield from messages(read(file))


_LOOK: dict[Kind, Callable[[Source, random.Random], Iterator[str]]] = {
    Kind.PROSE: _prose,
    Kind.TABLES: _tables,
    Kind.CODE: _code,
    Kind.CHAT: _chat,
}


def _stored_mails(half: Half) -> Iterator[tuple[str, str]]:
    """Yield the test messages of the standard library: those with even numbers, or the others."""
    folder = Path(sysconfig.get_path("stdlib")) / "test" / "test_email" / "data"
    for number, file in enumerate(sorted(folder.glob("msg_*.txt"))):
        if list(Half)[number % 2] is not half:
            continue
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        try:
            body = message.get_body(("plain",))
            text = str(body.get_content()) if body else ""
        except (KeyError, LookupError, ValueError, AttributeError):
            continue
        head = "\n".join(f"{name}: {message[name]}" for name in ("Subject", "From", "To") if message[name])
        yield f"test_email/{file.name}", f"{head}\n\n{text}".strip()
