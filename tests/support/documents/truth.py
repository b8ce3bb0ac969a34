"""Draws documents whose truth is known: their sentences, their rows, their numbers, and what a reader leaves out."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

_NOUNS = ("crane", "berth", "depot", "ferry", "gauge", "lock", "pump", "quay", "sensor", "winch")
_PLACES = ("harbour", "canal", "island", "market", "station", "valley")
_ENDINGS = ("in spring", "on Sundays", "for guests", "per visit", "in the old part", "after the storm")
_WESTERN = ("Fähre", "café", "Straße", "señal", "Brücke", "forêt")
_FOREIGN = ("лодка", "渡轮", "αποβάθρα", "港口")


@dataclass
class Truth:
    """What a document holds."""

    name: str
    """The file's name."""
    data: bytes = b""
    sentences: Counter[str] = field(default_factory=Counter[str])
    """Every sentence and every row of its text, and how often it stands there."""
    headings: set[str] = field(default_factory=set[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    """What a reader has to report, by the beginning of its kind, and how often."""
    hidden: list[str] = field(default_factory=list[str])
    """Sentences of the file that are not its text."""


@dataclass(frozen=True)
class Span:
    """A cell of a drawn table."""

    text: str
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Table:
    """A drawn table: its cells as they are written, and its rows as they are read."""

    header: tuple[tuple[Span, ...], ...]
    body: tuple[tuple[Span, ...], ...]
    rows: tuple[str, ...]


class Draw(Random):
    """Draws the parts of documents; each number and each sentence is another one."""

    def __init__(self, seed: object, letters: str = "western") -> None:
        super().__init__(str(seed))
        self._number = self.randrange(1_000, 5_000)
        self._letters = letters

    def number(self) -> str:
        """Return a number that no other one of the document begins, ends with or holds."""
        self._number += self.randrange(1, 7)
        return str(self._number)

    def word(self) -> str:
        """Return a noun, now and then one beyond ASCII."""
        beyond = {"ascii": (), "western": _WESTERN, "all": (*_WESTERN, *_FOREIGN)}[self._letters]
        return self.choice(beyond) if beyond and self.random() < 0.2 else self.choice(_NOUNS)

    def sentence(self) -> str:
        """Return a sentence with a number of its own."""
        forms: list[Callable[[], str]] = [
            lambda: f"The {self.word()} of the {self.choice(_PLACES)} costs {self.number()} euros {self._end()}.",
            lambda: f"Call {self.number()} before the {self.word()} opens {self._end()}.",
            lambda: f"Is the {self.word()} open for {self.number()} days?",
            lambda: f"A {self.word()}, a {self.word()} and {self.number()} crates wait at the {self.choice(_PLACES)}.",
            lambda: f"Nobody lifts more than {self.number()} kg without a {self.word()}!",
        ]
        return self.choice(forms)()

    def paragraph(self, most: int = 4) -> list[str]:
        """Return the sentences of a paragraph."""
        return [self.sentence() for _ in range(self.randint(1, most))]

    def heading(self) -> str:
        """Return a heading without a full stop."""
        return f"{self.word().capitalize()} and {self.choice(_PLACES)} {self.number()}"

    def table(self, *, spans: bool = True, width: int | None = None) -> Table:
        """Return a table, with cells that span rows and columns."""
        width = width or self.randint(2, 5)
        names = [f"{self.word().capitalize()} {chr(65 + column)}" for column in range(width)]
        header: tuple[tuple[Span, ...], ...] = (tuple(map(Span, names)),)
        if spans and width > 2 and self.random() < 0.3:
            group = f"Group {chr(80 + self.randrange(5))}"
            first = (Span(names[0], rows=2), Span(group, columns=width - 1))
            header = (first, tuple(map(Span, names[1:])))
            names = [names[0], *(f"{group} {name}" for name in names[1:])]
        grid = [[self.cell() for _ in range(width)] for _ in range(self.randint(2, 6))]
        body = [[Span(text) for text in row] for row in grid]
        if spans and self.random() < 0.5:
            self._join_down(grid, body)
        elif spans and width > 2 and self.random() < 0.5:
            row = self.randrange(len(grid))
            grid[row][1] = grid[row][0]
            body[row] = [Span(grid[row][0], columns=2), *body[row][2:]]
        rows = tuple(sentence_of(names, row) for row in grid)
        return Table(header, tuple(map(tuple, body)), rows)

    def _join_down(self, grid: list[list[str]], body: list[list[Span]]) -> None:
        top = self.randrange(len(grid) - 1)
        height = self.randint(2, len(grid) - top)
        column = self.choice([0, 0, len(grid[0]) - 1])
        for row in range(top + 1, top + height):
            grid[row][column] = grid[top][column]
            body[row] = [*body[row][:column], *body[row][column + 1 :]]
        body[top][column] = Span(grid[top][column], rows=height)

    def cell(self) -> str:
        """Return the text of a cell."""
        return self.choice(
            [
                f"{self.number()} euros",
                f"{self.word()} {self.number()}",
                self.number(),
                f"{self.number()} to {self.number()} days",
            ]
        )

    def _end(self) -> str:
        return self.choice(_ENDINGS)


def sentence_of(names: Sequence[str], row: Sequence[str]) -> str:
    """Return a row as it is read."""
    cells = [f"{name}: {text}" if name else text for name, text in zip(names, row, strict=True) if text]
    return "; ".join(cells) + "."
