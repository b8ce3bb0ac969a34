"""Builds the exact prompt that asks for an answer from passages, from a request and the bodies that it names."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from activities.bodies import texts
from activities.ports import BlobStore, Message, Prompt
from activities.text.sentences import heading
from activities.text.structured_reply import shown_again
from agents.prompt import ask_again, frame, reply_schema
from perdure.contracts.chains.knowledge import Passage
from perdure.contracts.chains.steps import Generate
from perdure.contracts.text import Text

TEMPLATE_TOKENS = 256
"""The most tokens that a chat template adds around the messages."""


@dataclass(frozen=True)
class Source:
    """One sentence that the model may answer from."""

    passage: Passage
    start: int
    end: int
    text: str
    heading: str
    """The heading of its chunk."""


@dataclass(frozen=True)
class ComposedPrompt:
    """A prompt, with the sources and the parts that its reply refers to."""

    prompt: Prompt
    sources: Sequence[Source]
    """The sentences in the prompt, in the order of their numbers."""
    parts: Sequence[str]
    """The parts of the question."""


async def compose(ask: Generate, blobs: BlobStore) -> ComposedPrompt:
    """Build the prompt of a request, always the same for the same request. Raises `BodyMissing` or `BodyCorrupt`."""
    tenant = ask.key.tenant
    repaired = [] if ask.repair is None else [ask.repair.said]
    instructions, *bodies = await texts.read_all(blobs, tenant, [ask.instructions, *ask.parts, *repaired])
    parts = bodies[: len(ask.parts)]
    passages = await _with_bodies(blobs, tenant, ask.passages)
    fixed = [Message(message["role"], message["content"]) for message in json.loads(instructions)]
    again: list[Message] = []
    if ask.repair is not None:
        reply = shown_again(bodies[-1])
        again = [Message(role, content) for role, content in ask_again(reply, list(map(str, ask.repair.problems)))]
    sources, messages = _compose(fixed, passages, parts, again, ask.worst.input_tokens)
    return ComposedPrompt(Prompt(messages, schema=reply_schema(len(sources), len(parts))), sources, parts)


async def _with_bodies(blobs: BlobStore, tenant: str, passages: Sequence[Passage]) -> list[Passage]:
    every = [text for passage in passages for text in (passage.text, *(former.text for former in passage.older))]
    bodies = dict(zip((text.digest for text in every), await texts.read_all(blobs, tenant, every), strict=True))

    def whole(text: Text) -> Text:
        return text.model_copy(update={"body": bodies[text.digest]})

    return [
        passage.model_copy(
            update={
                "text": whole(passage.text),
                "older": tuple(former.model_copy(update={"text": whole(former.text)}) for former in passage.older),
            }
        )
        for passage in passages
    ]


def _compose(
    fixed: Sequence[Message],
    passages: Sequence[Passage],
    parts: Sequence[str],
    again: Sequence[Message],
    most_tokens: int,
) -> tuple[list[Source], list[Message]]:
    """Return the sources and messages that fit into the reserved tokens; passages are left out from the last one on."""
    fitting = list(passages)
    while True:
        sources = _sources(fitting)
        shown = [f"({source.heading}) {source.text}" for source in sources]
        messages = [*fixed, Message("user", frame(shown, parts)), *again]
        size = TEMPLATE_TOKENS + sum(len(message.content.encode()) for message in messages)
        if size <= most_tokens or not fitting:
            return sources, messages
        fitting.pop()


def _sources(passages: Sequence[Passage]) -> list[Source]:
    """Return the sentences to choose from, each once, the most similar to its part of the question first."""
    ranked = sorted(
        ((passage.part, -sentence.relevance, place, sentence.start, sentence.end))
        for place, passage in enumerate(passages)
        for sentence in passage.sentences
    )
    sources: dict[tuple[str, int], Source] = {}
    for _, _, place, start, end in ranked:
        passage = passages[place]
        body = passage.text.body or ""
        source = Source(passage, start, end, body[start:end], heading(body))
        sources.setdefault((passage.text.digest, start), source)
    return list(sources.values())
