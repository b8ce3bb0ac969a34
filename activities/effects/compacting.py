"""Has a model sum up the older turns of an agent: one paid attempt, recorded before the call and saved after it."""

from activities.bodies.cached_blobs import RememberedBodies
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import Completion, Sampling, digest_of, nothing_sent
from activities.prompts.paid_steps import Prompts
from activities.tool_calls.results import NotText, plain
from agents import summary
from perdure.contracts.agents.compaction import Compact, Compacted
from perdure.contracts.text import Text
from workflows.effects import COMPACT


class Compacting:
    """The effect `compact`."""

    def __init__(self, purchasing: Purchasing, transcripts: Transcripts, pins: Pins, blobs: RememberedBodies) -> None:
        self._purchasing = purchasing
        self._transcripts = transcripts
        self._prompts = Prompts(blobs, transcripts, pins)
        self._blobs = blobs

    @COMPACT.activity
    async def compact(self, ask: Compact) -> Compacted:
        """Runs once for each attempt. A reply that an earlier attempt saved is returned and nothing is bought."""
        tenant = ask.key.tenant
        with nothing_sent():
            prompt, cut = await self._prompts.of_summary(ask)
        sent, turns, said = digest_of(prompt), len(cut.older), list[Text]()

        def read(completion: Completion) -> Compacted:
            words = _plain(completion.content)
            body = Text.of(summary.shown(words, turns))
            said.append(body)
            return Compacted(
                summary=body.carried(),
                turns=turns,
                empty=not words,
                model=completion.model,
                finish_reason=completion.finish_reason,
                prompt_digest=sent,
                charges={},
            )

        silent = Compacted(
            summary=Text.of(""), turns=turns, model="", finish_reason="stopped", prompt_digest=sent, charges={}
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
                silent=silent,
                before=self._transcripts.fresh(tenant, ask.transcript),
                texts=lambda _: said,
            )
        )
        self._blobs.hold(tenant, *said)
        return reply


def _plain(words: str) -> str:
    """The summary without marks between messages: what its tools said may have put them into the model's mouth."""
    try:
        return plain(words.encode(errors="replace").decode(), len(words.encode(errors="replace"))).text.strip()
    except NotText:
        return ""
