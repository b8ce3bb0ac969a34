"""Lets a model summarize an agent's older turns: one paid attempt, recorded before the call and saved after it."""

from activities.bodies.cached_blobs import CachedBlobs
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import Completion, Sampling, digest_of, nothing_sent
from activities.prompts.paid_steps import Prompts
from activities.tool_calls.results import REFUSAL, NotText, plain, plain_line
from agents import summary
from perdure.contracts.agents.compaction import Compact, Compacted
from perdure.contracts.text import Text
from workflows.effects import COMPACT


class Compacting:
    """The effect `compact`."""

    def __init__(self, purchasing: Purchasing, transcripts: Transcripts, pins: Pins, blobs: CachedBlobs) -> None:
        self._purchasing = purchasing
        self._transcripts = transcripts
        self._prompts = Prompts(blobs, transcripts, pins)
        self._blobs = blobs

    @COMPACT.activity
    async def compact(self, ask: Compact) -> Compacted:
        """Buy a summary, once for each attempt. A reply that an earlier attempt saved is returned instead."""
        tenant = ask.key.tenant
        with nothing_sent():
            prompt, cut = await self._prompts.of_summary(ask)
        prompt_digest, turns, bodies = digest_of(prompt), len(cut.older), list[Text]()

        def read(completion: Completion) -> Compacted:
            words = _plain(completion.content)
            body = Text.of(summary.shown(words, turns))
            bodies.append(body)
            return Compacted(
                summary=body.carried(),
                turns=turns,
                empty=not words,
                model=completion.model,
                finish_reason=completion.finish_reason,
                refusal=plain_line(completion.refusal, REFUSAL),
                prompt_digest=prompt_digest,
                charges={},
            )

        stopped = Compacted(
            summary=Text.of(""), turns=turns, model="", finish_reason="stopped", prompt_digest=prompt_digest, charges={}
        )
        reply = await self._purchasing.buy(
            Call(
                key=ask.key,
                attempt=ask.attempt,
                question=question_of(ask),
                pinned=ask.pinned.digest,
                deployment=ask.deployment,
                worst=ask.worst,
                prompt=prompt,
                sampling=Sampling(max_output_tokens=ask.worst.output_tokens),
                read=read,
                stopped_reply=stopped,
                before=self._transcripts.fresh(tenant, ask.transcript),
                texts=lambda _: bodies,
            )
        )
        self._blobs.hold(tenant, *bodies)
        return reply


def _plain(words: str) -> str:
    """Return the summary without the marks between messages, which a tool's result may have made the model repeat."""
    try:
        return plain(words.encode(errors="replace").decode(), len(words.encode(errors="replace"))).text.strip()
    except NotText:
        return ""
