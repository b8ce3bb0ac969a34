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
from activities.text.structured_reply import object_text, storable
from activities.tool_calls.results import REFUSAL, plain_line
from agents.prompt import NOT_STATED, Choice, answers_so_far, read_choices
from perdure.contracts.chains.extraction import Problem
from perdure.contracts.chains.knowledge import Citation, Edition
from perdure.contracts.chains.steps import Generate, Generated
from perdure.contracts.text import Text
from workflows.effects import GENERATE

SAME_SUBJECT = 0.6
"""The similarity (difflib's ratio, 0 to 1) above which sentences of two editions are about the same thing."""


class Generation:
    """The effect `generate`."""

    def __init__(self, purchasing: Purchasing, blobs: BlobStore) -> None:
        self._purchasing = purchasing
        self._blobs = blobs

    @GENERATE.activity
    async def generate(self, ask: Generate) -> Generated:
        """Buy an answer, once for each attempt. A reply that an earlier attempt saved is returned instead."""
        with nothing_sent():
            composed = await answer.compose(ask, self._blobs)
        prompt_digest = digest_of(composed.prompt)
        return await self._purchasing.buy(
            Call(
                key=ask.key,
                attempt=ask.attempt,
                question=question_of(ask),
                deployment=ask.deployment.priced,
                prompt=composed.prompt,
                sampling=Sampling(max_output_tokens=ask.worst.output_tokens),
                worst=ask.worst,
                read=lambda completion: _reply(completion, composed.sources, composed.parts, prompt_digest),
                stopped_reply=Generated(
                    answer=None,
                    citations=(),
                    model="",
                    finish_reason="stopped",
                    prompt_digest=prompt_digest,
                    charges={},
                ),
                texts=lambda reply: [text for text in (reply.answer, reply.said) if text is not None],
                visible=answers_so_far,
                visible_of_saved=lambda reply: "" if reply.answer is None else reply.answer.body or "",
                gate=ask.gate,
            )
        )


def _reply(completion: Completion, sources: Sequence[Source], parts: Sequence[str], prompt_digest: str) -> Generated:
    """Return the answer and its citations from the model's choices; no answer if the reply cannot be read."""
    choices: list[Choice] = []
    problems: tuple[Problem, ...] = ()
    content = storable(completion.content)
    try:
        choices = read_choices(object_text(content), sentences=len(sources), parts=len(parts))
    except ValueError as error:
        problems = (Problem(where="reply", reason=str(error)),)
    lines: list[str] = []
    citations: dict[Citation, None] = {}
    for part, choice in zip(parts, choices, strict=False):
        source = sources[choice.source - 1] if choice.source != NOT_STATED and choice.answer else None
        if source is None or not _is_about(part, source):
            lines.append(f'The documents do not say: "{part}"')
            continue
        former = _former(source)
        lines.append(_answer_of(choice.answer, source, former))
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
        said=Text.of(content) if problems else None,
        problems=problems,
        refusal=plain_line(completion.refusal, REFUSAL),
    )


def _is_about(part: str, source: Source) -> bool:
    """Return whether the source has every code of the question. Small models also pick its neighbours."""
    return set(codes(part)) <= set(codes(source.passage.text.body or ""))


def _answer_of(answer: str, source: Source, former: Source | None) -> str:
    """Return one part's answer, with the older edition's sentence if that said something else."""
    if answer.endswith("?") or not set(figures(answer)) <= set(figures(f"{source.heading} {source.text}")):
        # Small models repeat the question or change a figure. Then the sentence that they chose is the better answer.
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


def _former(source: Source) -> Source | None:
    """Return the sentence of the newest older edition that says something else about the same thing."""
    for former in source.passage.older:
        body = former.text.body or ""
        spans = sentences(body)
        if not spans:
            continue
        start, end = max(spans, key=lambda span: _likeness(body[span[0] : span[1]], source.text))
        sentence = body[start:end]
        if sentence != source.text and _likeness(sentence, source.text) >= SAME_SUBJECT:
            passage = source.passage.model_copy(
                update={"edition": former.edition, "chunk": former.chunk, "text": former.text, "older": ()}
            )
            return Source(passage, start, end, sentence, heading(body))
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
