"""Separates what a model thought from its answer, where its server leaves both in one text.

Only a text that begins with thoughts is read so: a tag that comes later belongs to the answer. `ThinkingSplitter` and
`split_thinking` do the same in two ways, as a text streams and when it is whole, so that one checks the other.
"""

TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}
"""The tags around thoughts, of Qwen, DeepSeek and their kin, of models that imitate them, and of Mistral."""


class ThinkingSplitter:
    """Splits a text as it streams."""

    def __init__(self) -> None:
        self._held = ""
        """The beginning that may be a tag, or the end of a thought that may be its closing tag."""
        self._closing: str | None = None
        """The tag that ends the current thought; None outside of thoughts."""
        self._answers = False
        """Whether the answer has begun: nothing is held back from there on."""
        self._thought_before = False

    def add(self, piece: str) -> tuple[str, str]:
        """Add a piece; return the new characters of the answer, and those of the thoughts."""
        if self._answers:
            return piece, ""
        self._held += piece
        thought = ""
        while True:
            if self._closing is not None:
                inside, closed, after = self._held.partition(self._closing)
                if not closed:
                    kept = _partial_length(inside, self._closing)
                    self._held = inside[len(inside) - kept :]
                    return "", thought + inside[: len(inside) - kept]
                thought += inside
                self._held, self._closing, self._thought_before = after, None, True
            beginning = self._held.lstrip()
            opening = _opening_of(beginning)
            if opening is None:
                if any(tag.startswith(beginning) for tag in TAGS):
                    return "", thought
                return self._answer(), thought
            self._held, self._closing = beginning[len(opening) :], TAGS[opening]

    def end(self) -> tuple[str, str]:
        """Return the rest of the answer, and that of the thoughts."""
        if self._closing is not None:
            thought, self._held = self._held, ""
            return "", thought
        return self._answer(), ""

    def _answer(self) -> str:
        held, self._held, self._answers = self._held, "", True
        return _after_thought(held) if self._thought_before else held


def split_thinking(text: str) -> tuple[str, str]:
    """Return the answer in a whole text, and the thoughts before it."""
    thoughts: list[str] = []
    while (opening := _opening_of(beginning := text.lstrip())) is not None:
        thought, closed, after = beginning[len(opening) :].partition(TAGS[opening])
        thoughts.append(thought)
        text = _after_thought(after) if closed else ""
        if not closed:
            break
    return text, "".join(thoughts)


def _opening_of(text: str) -> str | None:
    return next((tag for tag in TAGS if text.startswith(tag)), None)


def _after_thought(text: str) -> str:
    """Return a text without the blank line that models write between their thoughts and their answer."""
    return text.removeprefix("\n").removeprefix("\n")


def _partial_length(text: str, tag: str) -> int:
    """Return how many characters at the end of a text may be the beginning of a tag."""
    return next((count for count in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:count])), 0)
