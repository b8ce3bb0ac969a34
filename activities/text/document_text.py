"""A document's text: its lines, its ways to write dates and numbers, and the places of values in it. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, Self

from activities.text.values.dates import Written, dates, is_day_first
from activities.text.values.digits import plain_digits
from activities.text.values.numbers import decimal_mark_of, number_words, numbers, unread_numbers
from agents.extraction_prompt import NOT_STATED, document_lines
from perdure.contracts.chains.extraction import Evidence, FieldKind, FieldSpec

_ALIKE = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2212\u00a0\u202f", "''\"\"---  ")
"""Typographic signs, and the plain signs that models write for them, one for one."""

AROUND = " \t\r\n\"'`.,;:"
"""The characters that models add around a value or copy from its sentence."""

SHOWN = 80
"""The most characters of a bad value in a message."""


ALIKE = 0.8
"""The similarity (difflib's ratio, 0 to 1) from which other words may be the intended ones."""

_WORD = re.compile(r"\w++(?:[-'\u2019]\w++)*+")


class Unplaced(ValueError):
    """The document does not state the value at one clear place. The message says why, for the model and for people."""


@dataclass(frozen=True)
class DocumentText:
    """A document's text."""

    text: str
    lines: tuple[tuple[int, int], ...]
    """The spans of its lines, as `document_lines` returns them."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the document with this text."""
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
        """Return the dates or the numbers in a text, read in this document's way of writing them."""
        if kind is FieldKind.DATE:
            return dates(text, day_first=self._day_first)
        if kind is FieldKind.DECIMAL:
            return numbers(text, decimal_mark=self._decimal_mark)
        return map(_whole, (*numbers(text, decimal_mark=self._decimal_mark), *number_words(text)))

    def places(self, kind: FieldKind) -> list[Written]:
        """Return the dates or the numbers in this document, from top to bottom, without the numbers inside dates."""
        written = sorted(self.written(kind, self.text), key=lambda place: (place.start, -place.end))
        days = [] if kind is FieldKind.DATE else list(dates(self.text, day_first=self._day_first))
        return [
            place for place in written if place.readings and not any(day.start <= place.start < day.end for day in days)
        ]

    def only_within(self, kind: FieldKind, written: str) -> str | None:
        """Return how the document has these digits only as a part of something else; None where it has them nowhere."""
        digits = _digits(written)
        for place in self.places(kind) if digits else ():
            form = self.text[place.start : place.end]
            if _digits(form) == digits and form != written:
                return f"the document has {shown(form)}, which is {' or '.join(place.readings)}"
        for unread in unread_numbers(self.text) if digits and kind is not FieldKind.DATE else ():
            if _digits(self.text[unread.start : unread.end]) == digits:
                form = self._with_neighbours(unread.start, unread.end)
                return f"the document has it only in {shown(form)}, which is not read as a number"
        return None

    def _with_neighbours(self, start: int, end: int) -> str:
        before = re.search(r"\S{0,12}$", self.text[max(0, start - 12) : start])
        after = re.match(r"(?:[ \u00a0]?\S{1,12})?", self.text[end : end + 14])
        return (before[0] if before else "") + self.text[start:end] + (after[0] if after else "")

    def offered(self, kind: FieldKind) -> dict[int, list[str]]:
        """Return the possible values of this kind by line: as written, or all readings of an ambiguous one."""
        offered: dict[int, list[str]] = {}
        for place in self.places(kind):
            forms = [self.text[place.start : place.end]] if len(place.readings) == 1 else list(place.readings)
            on_line = offered.setdefault(self._line_at(place.start), [])
            on_line.extend(form for form in forms if form not in on_line)
        return offered

    def words(self, written: str, line: int) -> Evidence:
        """Return the place of these words, ignoring case, white space and the kind of quotation marks.

        Raises `Unplaced`.
        """
        for words in dict.fromkeys((written, written.strip(AROUND))):
            if words:
                places = [match.span() for match in word_pattern(words.translate(_ALIKE)).finditer(self._plain)]
                if places:
                    # Unlike a number, the same words mean the same at every place. Small models copy better than they
                    # count, so exact words win over the named line: `Beacon` is not quoted from `BEACON`.
                    return self.quote(
                        *min(
                            places,
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
        """Return the words most similar to misspelt ones, and their line; the named line comes first."""
        count = len(written.split())
        best, likeness = None, ALIKE
        compared = SequenceMatcher(b=written.casefold(), autojunk=False)
        near_first = sorted(enumerate(self.lines, start=1), key=lambda entry: entry[0] != line)
        for number, (start, end) in near_first if len(written) <= SHOWN else []:
            words = list(_WORD.finditer(self.text, start, end))
            for first, last in zip(words, words[count - 1 :], strict=False):
                candidate = self.text[first.start() : last.end()]
                compared.set_seq1(candidate.casefold())
                # The two quick ratios are upper bounds of the ratio.
                if min(compared.real_quick_ratio(), compared.quick_ratio()) > likeness < (ratio := compared.ratio()):
                    best, likeness = (number, candidate), ratio
        return best

    def choices(self, field: FieldSpec) -> dict[int, list[str]]:
        """Return the choices of a field that the document states, by line."""
        choices: dict[int, list[str]] = {}
        for choice in field.choices:
            for start, _ in self._stated(field, choice):
                on_line = choices.setdefault(self._line_at(start), [])
                on_line.extend([] if choice in on_line else [choice])
        return choices

    def choice(self, field: FieldSpec, choice: str, line: int) -> Evidence:
        """Return the evidence for a choice: a word for it on the line, else the first elsewhere, else the whole line.

        Raises `Unplaced` if the choice must be stated and is not, or if no line is named.
        """
        places = self._stated(field, choice)
        inside = [place for place in places if self._is_on(line, place)]
        if places:
            return self.quote(*(inside or places)[0])
        if field.words:
            raise Unplaced(f"{shown(choice)} does not stand in the document")
        return self.line(line)

    def _stated(self, field: FieldSpec, choice: str) -> list[tuple[int, int]]:
        words = (choice, *field.words.get(choice, ()))
        return sorted(match.span() for word in words for match in word_pattern(word).finditer(self.text))

    def line(self, line: int) -> Evidence:
        """Return a whole line as evidence. Raises `Unplaced` if none is named."""
        if line == NOT_STATED:
            raise Unplaced("names no line: name the line on which it rests")
        return self.quote(*self.lines[line - 1])

    def place(self, spans: Iterable[tuple[int, int]], line: int, written: str) -> Evidence:
        """Return the place of a value on the named line, else its only place elsewhere.

        A place with the written form comes before one that only means the same. Raises `Unplaced`.
        """
        places = sorted(spans, key=lambda place: (self.text[place[0] : place[1]] not in written, place[0]))
        inside = [place for place in places if self._is_on(line, place)]
        held = sorted({self._line_at(place[0]) for place in places})
        if inside or len(held) == 1:
            return self.quote(*(inside or places)[0])
        named = f"does not stand on line {line}" if line else "comes without its line"
        listed = ", ".join(map(str, held))
        raise Unplaced(f"{shown(written)} {named}: it stands on the lines {listed}; name the one it is read from")

    def quote(self, start: int, end: int) -> Evidence:
        """Return these characters as evidence."""
        return Evidence(start=start, end=end, quote=self.text[start:end])

    def _is_on(self, line: int, place: tuple[int, int]) -> bool:
        return line != NOT_STATED and self.lines[line - 1][0] <= place[0] < self.lines[line - 1][1]

    def _line_at(self, position: int) -> int:
        return bisect_right(self.lines, position, key=lambda line: line[0])


def shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    form = repr(value)
    return form if len(form) <= SHOWN else f"{form[: SHOWN - 3]}..."


def word_pattern(words: str) -> re.Pattern[str]:
    """Return a pattern for these words, ignoring case and white space, with no letter or digit next to them."""
    spaced = r"\s+".join(re.escape(word) for word in words.split())
    before = r"(?<!\w)" if words[:1].isalnum() else ""
    after = r"(?!\w)" if words[-1:].isalnum() else ""
    return re.compile(f"{before}{spaced}{after}", re.IGNORECASE)


def _whole(written: Written) -> Written:
    """Return a number with only those readings that are whole: `1,000` is a thousand, and not one."""
    without = [reading for reading in written.readings if "." not in reading]
    readings = [reading.split(".")[0] for reading in written.readings if not reading.partition(".")[2].strip("0")]
    return Written(written.start, written.end, tuple(without or readings))


def _digits(text: str) -> str:
    return "".join(sign for sign in plain_digits(text) if sign.isdecimal())
