"""A document's text by lines, how its author writes days and numbers, and where a value stands in it. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Self

from activities.text.dates import Written, dates, is_day_first
from activities.text.numbers import decimal_mark_of, number_words, numbers
from agents.extraction_prompt import NOT_STATED, document_lines
from perdure.contracts.chains.extraction import Evidence, FieldKind, FieldSpec

_ALIKE = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2212\u00a0\u202f", "''\"\"---  ")
"""Typographic signs, one for one, that models write plainly."""

AROUND = " \t\r\n\"'`.,;:"
"""What models add around a value, or take along from the sentence."""

SHOWN = 80
"""Characters of a bad value that a message shows."""


ALIKE = 0.8
"""Similarity (difflib's ratio, 0 to 1) from which other words may be the ones that were meant."""

_WORD = re.compile(r"\w+(?:[-'\u2019]\w+)*")


class Unplaced(ValueError):
    """No one place in the document states the value. The message says why, for the model as much as for a person."""


@dataclass(frozen=True)
class DocumentText:
    """A document."""

    text: str
    lines: tuple[tuple[int, int], ...]
    """As `document_lines` finds them."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The document with this text."""
        return cls(text, tuple(document_lines(text)))

    @cached_property
    def _plain(self) -> str:
        return self.text.translate(_ALIKE)

    @cached_property
    def _day_first(self) -> bool | None:
        return is_day_first(self.text)

    @cached_property
    def _decimal_mark(self) -> str | None:
        return decimal_mark_of(self.text)

    def written(self, kind: FieldKind, text: str) -> Iterator[Written]:
        """The days, or else the numbers, in a text, as this document's author would mean them."""
        if kind is FieldKind.DATE:
            return dates(text, day_first=self._day_first)
        if kind is FieldKind.DECIMAL:
            return numbers(text, decimal_mark=self._decimal_mark)
        return map(_whole, (*numbers(text, decimal_mark=self._decimal_mark), *number_words(text)))

    def places(self, kind: FieldKind) -> list[Written]:
        """The days, or else the numbers, that this document states, from top to bottom; a day's numbers are none."""
        found = sorted(self.written(kind, self.text), key=lambda place: (place.start, -place.end))
        days = [] if kind is FieldKind.DATE else list(dates(self.text, day_first=self._day_first))
        return [
            place for place in found if place.readings and not any(day.start <= place.start < day.end for day in days)
        ]

    def offered(self, kind: FieldKind) -> dict[int, list[str]]:
        """What a field of this kind can be, by line: as it is written, or its readings where it has several."""
        found: dict[int, list[str]] = {}
        for place in self.places(kind):
            forms = [self.text[place.start : place.end]] if len(place.readings) == 1 else list(place.readings)
            on_line = found.setdefault(self._line_at(place.start), [])
            on_line.extend(form for form in forms if form not in on_line)
        return found

    def words(self, written: str, line: int) -> Evidence:
        """Where these words stand, whatever the case, the white space and the kind of quotation marks.

        Raises `Unplaced`.
        """
        for words in dict.fromkeys((written, written.strip(AROUND))):
            if words:
                found = [match.span() for match in word_pattern(words.translate(_ALIKE)).finditer(self._plain)]
                if found:
                    # The same words mean the same wherever they stand, other than the same number does. Small models
                    # copy better than they count, so `Beacon` is not quoted from `BEACON` where both stand there.
                    return self.quote(
                        *min(
                            found,
                            key=lambda place: (
                                self.text[place[0] : place[1]] != words,
                                abs(self._line_at(place[0]) - line),
                            ),
                        )
                    )
        alike = self._alike(written, line)
        remedy = f"line {alike[0]} has {shown(alike[1])}" if alike else "copy the words of one line exactly"
        raise Unplaced(f"{shown(written)} does not stand in the document: {remedy}")

    def _alike(self, written: str, line: int) -> tuple[int, str] | None:
        """The line and the words on it that come nearest to misspelt words; those on the named line first."""
        count = len(written.split())
        best, likeness = None, ALIKE
        compared = SequenceMatcher(b=written.casefold(), autojunk=False)
        near_first = sorted(enumerate(self.lines, start=1), key=lambda entry: entry[0] != line)
        for number, (start, end) in near_first if len(written) <= SHOWN else []:
            words = list(_WORD.finditer(self.text, start, end))
            for first, last in zip(words, words[count - 1 :], strict=False):
                candidate = self.text[first.start() : last.end()]
                compared.set_seq1(candidate.casefold())
                # The quick ones are upper bounds.
                if min(compared.real_quick_ratio(), compared.quick_ratio()) > likeness < (ratio := compared.ratio()):
                    best, likeness = (number, candidate), ratio
        return best

    def choices(self, field: FieldSpec) -> dict[int, list[str]]:
        """The choices of a field that the document states, by line."""
        found: dict[int, list[str]] = {}
        for choice in field.choices:
            for start, _ in self._stated(field, choice):
                on_line = found.setdefault(self._line_at(start), [])
                on_line.extend([] if choice in on_line else [choice])
        return found

    def choice(self, field: FieldSpec, choice: str, line: int) -> Evidence:
        """What a choice rests on: a word for it on the line, else the first one elsewhere, else the whole line.

        Raises `Unplaced` where it must be stated and is not, and where it rests on nothing.
        """
        found = self._stated(field, choice)
        inside = [place for place in found if self._is_on(line, place)]
        if found:
            return self.quote(*(inside or found)[0])
        if field.words:
            raise Unplaced(f"{shown(choice)} does not stand in the document")
        return self.line(line)

    def _stated(self, field: FieldSpec, choice: str) -> list[tuple[int, int]]:
        words = (choice, *field.words.get(choice, ()))
        return sorted(match.span() for word in words for match in word_pattern(word).finditer(self.text))

    def line(self, line: int) -> Evidence:
        """A whole line. Raises `Unplaced` where none is named."""
        if line == NOT_STATED:
            raise Unplaced("names no line: name the line on which it rests")
        return self.quote(*self.lines[line - 1])

    def place(self, found: Iterable[tuple[int, int]], line: int, written: str) -> Evidence:
        """Of the places that state a value, the one on the named line, else the only one elsewhere.

        What stands there as it was written comes before what only means the same. Raises `Unplaced`.
        """
        places = sorted(found, key=lambda place: (self.text[place[0] : place[1]] not in written, place[0]))
        inside = [place for place in places if self._is_on(line, place)]
        held = sorted({self._line_at(place[0]) for place in places})
        if inside or len(held) == 1:
            return self.quote(*(inside or places)[0])
        named = f"does not stand on line {line}" if line else "comes without its line"
        listed = ", ".join(map(str, held))
        raise Unplaced(f"{shown(written)} {named}: it stands on the lines {listed}; name the one it is read from")

    def quote(self, start: int, end: int) -> Evidence:
        """These characters."""
        return Evidence(start=start, end=end, quote=self.text[start:end])

    def _is_on(self, line: int, place: tuple[int, int]) -> bool:
        return line != NOT_STATED and self.lines[line - 1][0] <= place[0] < self.lines[line - 1][1]

    def _line_at(self, position: int) -> int:
        return bisect_right(self.lines, position, key=lambda line: line[0])


def shown(value: Any) -> str:
    """A value in a message, shortened."""
    form = repr(value)
    return form if len(form) <= SHOWN else f"{form[: SHOWN - 3]}..."


def word_pattern(words: str) -> re.Pattern[str]:
    """Finds these words, whatever the case and the white space, where no letter or digit goes on before or after."""
    spaced = r"\s+".join(re.escape(word) for word in words.split())
    before = r"(?<!\w)" if words[:1].isalnum() else ""
    after = r"(?!\w)" if words[-1:].isalnum() else ""
    return re.compile(f"{before}{spaced}{after}", re.IGNORECASE)


def _whole(written: Written) -> Written:
    """What is written, where it can be a whole number."""
    readings = [reading.split(".")[0] for reading in written.readings if not reading.partition(".")[2].strip("0")]
    return Written(written.start, written.end, tuple(readings))
