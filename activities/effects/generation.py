"""Writes an answer from passages: one paid attempt, recorded before the call and saved before it is acknowledged."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import BlobStore, Completion, Sampling, digest_of, nothing_sent
from activities.prompts import answer
from activities.prompts.answer import Source
from activities.text.facts import codes, figures
from activities.text.sentences import heading, sentences
from agents.prompt import NOT_STATED, Choice, answers_so_far, read_choices
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.knowledge import Citation, Edition
from perdure.contracts.chains.steps import Generate, Generated
from perdure.contracts.text import Text
from workflows.effects import GENERATE

SAME_SUBJECT = 0.6
"""Similarity (difflib's ratio, 0 to 1) from which two sentences of two editions state the same thing."""


class Generation:
    """The effect `generate`."""

    def __init__(self, purchasing: Purchasing, blobs: BlobStore) -> None:
        self._purchasing = purchasing
        self._blobs = blobs

    @GENERATE.activity
    async def generate(self, ask: Generate) -> Generated:
        """Runs once for each attempt. A reply that an earlier attempt saved is returned and nothing is bought."""
        with nothing_sent():
            composed = await answer.composed(ask, self._blobs)
        sent = digest_of(composed.prompt)
        return await self._purchasing.buy(
            Call(
                key=ask.key,
                attempt=ask.attempt,
                question=question_of(ask),
                deployment=ask.deployment.priced,
                prompt=composed.prompt,
                sampling=Sampling(max_output_tokens=ask.worst.output_tokens),
                worst=ask.worst,
                read=lambda completion: _reply(completion, composed.sources, composed.parts, sent),
                silent=Generated(
                    answer=None, citations=(), model="", finish_reason="stopped", prompt_digest=sent, charges={}
                ),
                texts=lambda reply: [text for text in (reply.answer, reply.said) if text is not None],
                shown=answers_so_far,
                retold=lambda reply: "" if reply.answer is None else reply.answer.body or "",
                gate=ask.gate,
            )
        )


def _reply(completion: Completion, sources: Sequence[Source], parts: Sequence[str], prompt_digest: str) -> Generated:
    """The answer and its citations from what the model chose. A reply that cannot be read answers nothing."""
    choices: list[Choice] = []
    problems: tuple[Problem, ...] = ()
    try:
        choices = read_choices(completion.content, sentences=len(sources), parts=len(parts))
    except ValueError as error:
        problems = (Problem(where="reply", reason=str(error)),)
    lines: list[str] = []
    citations: dict[Citation, None] = {}
    for part, choice in zip(parts, choices, strict=False):
        source = sources[choice.source - 1] if choice.source != NOT_STATED and choice.answer else None
        if source is None or not _about(part, source):
            lines.append(f'The documents do not say: "{part}"')
            continue
        former = _formerly(source)
        lines.append(_stated(choice.answer, source, former))
        citations[_citation(source)] = None
        if former is not None:
            citations[_citation(former, superseded=True)] = None
    return Generated(
        answer=Text.of(" ".join(lines)) if citations else None,
        citations=tuple(citations),
        model=completion.model,
        finish_reason=completion.finish_reason,
        prompt_digest=prompt_digest,
        charges={},
        said=Text.of(completion.content) if problems else None,
        problems=problems,
    )


def _about(part: str, source: Source) -> bool:
    """Whether the source is about what the question names by a code. Small models answer about its neighbour too."""
    return set(codes(part)) <= set(codes(source.passage.text.body or ""))


def _stated(answer: str, source: Source, former: Source | None) -> str:
    """One part's answer, with what it replaced where an older edition said otherwise."""
    if answer.endswith("?") or not set(figures(answer)) <= set(figures(f"{source.heading} {source.text}")):
        # Small models echo the question or change a figure. The sentence that they chose is the better answer then.
        answer = source.text
    answer = answer if answer.endswith((".", "!")) else answer + "."
    if former is None:
        return answer
    applies = _dated(source.passage.edition)
    before = _dated(former.passage.edition)
    return f'{answer} This is what applies {applies}; the older edition, {before}, said: "{former.text}"'


def _dated(edition: Edition) -> str:
    day = edition.effective
    return f"since {day.day} {day:%B %Y}" if day else f"by version {edition.version}"


def _formerly(source: Source) -> Source | None:
    """The sentence of the newest older edition that stated the same thing otherwise."""
    for former in source.passage.older:
        body = former.text.body or ""
        spans = sentences(body)
        if not spans:
            continue
        start, end = max(spans, key=lambda span: _likeness(body[span[0] : span[1]], source.text))
        stated = body[start:end]
        if stated != source.text and _likeness(stated, source.text) >= SAME_SUBJECT:
            passage = source.passage.model_copy(
                update={"edition": former.edition, "chunk": former.chunk, "text": former.text, "older": ()}
            )
            return Source(passage, start, end, stated, heading(body))
    return None


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()


def _citation(source: Source, *, superseded: bool = False) -> Citation:
    return Citation(
        edition=source.passage.edition,
        chunk=source.passage.chunk,
        start=source.start,
        end=source.end,
        quote=source.text,
        passage=source.passage.text.reference(),
        superseded=superseded,
    )
