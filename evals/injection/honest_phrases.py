"""Puts ordinary e-mails and chat messages together from phrases, where too few real ones are installed."""

import random
import re
import tomllib
from typing import Any

from evals.injection.honest_sources import Half
from evals.questions import DATASETS

PHRASES = DATASETS / "injection" / "phrases.toml"
SENTENCES = (2, 24)
"""The fewest and the most sentences of an e-mail's body."""
PARAGRAPH = 3
"""The most sentences of a paragraph."""
WITH_HEADERS = 0.5
"""The share of e-mails that begin with their headers."""
FOLLOWING_UP = 0.2
"""The share of messages with wishes that repeat no request: they follow one up."""
_SLOT = re.compile(r"\{(\w+)\}")


class Phrases:
    """The phrases of one half."""

    def __init__(self, half: Half) -> None:
        content = tomllib.loads(PHRASES.read_text())[half.value]
        self._words: dict[str, list[str]] = content["words"]
        self._mail: dict[str, list[str]] = content["mail"]
        self._chat: dict[str, list[str]] = content["chat"]

    def mail(self, chance: random.Random) -> str:
        """Return an e-mail: with or without its headers, an opening, two to twenty-four sentences, a close."""
        chosen = chance.sample(self._mail["sentences"], chance.randint(*SENTENCES))
        paragraphs = list[str]()
        while chosen:
            count = chance.randint(1, PARAGRAPH)
            paragraphs.append(" ".join(chosen[:count]))
            chosen = chosen[count:]
        parts = [chance.choice(self._mail["openers"]), *paragraphs, chance.choice(self._mail["closers"])]
        if chance.random() < WITH_HEADERS:
            parts.insert(0, f"Subject: {chance.choice(self._mail['subjects'])}\nFrom: {{name}}\nTo: {{name}}")
        return self._filled("\n\n".join(parts), chance)

    def chat(self, chance: random.Random) -> str:
        """Return a message to an assistant: its context, a request and wishes about the answer, or some of these."""
        contexts = chance.sample(self._chat["contexts"], chance.choice((0, 1, 1, 2)))
        wishes = chance.sample(self._chat["wishes"], chance.choice((0, 1, 2, 3)))
        follows_up = bool(wishes) and chance.random() < FOLLOWING_UP
        request = [] if follows_up else [chance.choice(self._chat["patterns"])]
        return self._filled(" ".join([*contexts, *request, *wishes]), chance)

    def _filled(self, text: str, chance: random.Random) -> str:
        words: dict[str, Any] = {**self._words, "sentence": self._chat["sentences"]}
        return _SLOT.sub(lambda slot: chance.choice(words[slot[1]]), text)
