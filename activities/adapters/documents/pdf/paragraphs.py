"""Joins the lines of a page to paragraphs and list items."""

from collections.abc import Iterable, Iterator

from activities.text.sentences import BULLET

_FULL_LINE_SHARE = 0.8
"""The share of the widest line. A line that would be shorter even with the next word was ended on purpose."""

_LONGEST = 20_000
"""The longest paragraph, in characters: only a file that attacks readers has a longer one, and each line costs it."""

_KEEP_HYPHEN = frozenset(
    [
        "well",
        "self",
        "non",
        "ex",
        "half",
        "cross",
        "all",
        "high",
        "low",
        "long",
        "short",
        "full",
        "part",
        "first",
        "second",
        "third",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "single",
        "double",
        "multi",
        "user",
        "case",
        "year",
        "day",
        "state",
        "end",
        "up",
        "off",
        "on",
        "so",
        "semi",
        "quasi",
        "pseudo",
    ]
)
"""Beginnings of words that keep their hyphen: `well-known` at the end of a line is not `wellknown`."""


def paragraphs(lines: Iterable[tuple[str, int]], words: frozenset[str] = frozenset()) -> Iterator[tuple[bool, str]]:
    """Yield for each paragraph and list item whether it is an item, and its text. A blank line parts them.

    Each line comes with the length of a full line at its place, in characters. `words` are the lower-case words of the
    whole document.
    """
    text, is_item, previous_line, full, after_gap = "", False, "", 0, False
    for written, its_full in lines:
        line = " ".join(written.split())
        if not line:
            after_gap = True
            continue
        bullet = BULLET.match(line)
        first_word = line.split(" ", 1)[0]
        ended_early = len(previous_line) + 1 + len(first_word) < full * _FULL_LINE_SHARE
        # Within a sentence a gap is only the end of a page or wide spacing.
        if text and (
            len(text) > _LONGEST
            or bullet
            or ((after_gap or ended_early) and not (first_word[:1].islower() or previous_line.endswith(",")))
        ):
            yield is_item, text
            text = ""
        if not text:
            is_item, text = bullet is not None, line[bullet.end() :] if bullet else line
        else:
            text = joined(text, line, words)
        previous_line, full, after_gap = line, its_full, False
    if text:
        yield is_item, text


def joined(text: str, line: str, words: frozenset[str]) -> str:
    """Join a line to the text before it; a word that was parted at a hyphen becomes whole, a compound keeps its own."""
    if text.endswith("\xad"):
        return text[:-1] + line
    before = text.rpartition(" ")[2]
    first, hyphen = before[:-1].lower().lstrip("(\"'\u201c\u2018"), before[-1:]
    rest = line.split(" ", 1)[0]
    second = "".join(sign for sign in rest if sign.isalpha()).lower()
    if hyphen not in {"-", "\u2010"} or not first[-1:].isalpha() or not rest[:1].islower():
        return f"{text} {line}" if not _is_without_spaces(text[-1:], line[:1]) else text + line
    keeps = f"{first}-{second}" in words or (
        f"{first}{second}" not in words and (first in _KEEP_HYPHEN or "-" in first or not first.isalpha())
    )
    return text + line if keeps else text[:-1] + line


def vocabulary(lines: Iterable[str]) -> frozenset[str]:
    """Return the lower-case words of some lines, those with hyphens whole."""
    return frozenset(word.strip(".,;:!?()\"'") for line in lines for word in line.lower().split())


def _is_without_spaces(last: str, first: str) -> bool:
    """Return whether both characters are of a writing without spaces: a line's end is none there."""
    return all("\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef" for sign in (last, first) if sign)
