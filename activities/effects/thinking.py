"""Has a model choose an agent's next move: one paid attempt, recorded before the call and saved after it."""

from activities.bodies.cached_blobs import RememberedBodies
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import Completion, Sampling, ToolCall, digest_of, nothing_sent
from activities.prompts.agent import turn_text
from activities.prompts.paid_steps import Prompts
from perdure.contracts.agents.steps import AskedCall, Think, Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.text import Text
from workflows.effects import THINK

MOST_CALLS = 16
"""Calls that one turn may ask for."""

LONGEST_NAME = 200
"""Characters of what a model writes in the place of a tool's name."""


class Thinking:
    """The effect `think`."""

    def __init__(self, purchasing: Purchasing, transcripts: Transcripts, pins: Pins, blobs: RememberedBodies) -> None:
        self._purchasing = purchasing
        self._transcripts = transcripts
        self._prompts = Prompts(blobs, transcripts, pins)
        self._blobs = blobs

    @THINK.activity
    async def think(self, ask: Think) -> Thought:
        """Runs once for each attempt. A reply that an earlier attempt saved is returned and nothing is bought."""
        tenant = ask.key.tenant
        with nothing_sent():
            prompt = await self._prompts.of(ask)
        sent = digest_of(prompt)
        turn = ask.key.step.removeprefix("think-")
        before = self._transcripts.fresh(tenant, ask.transcript)
        said: list[Text] = []
        place: list[bytes] = []

        def read(completion: Completion) -> Thought:
            thought, bodies = _thought(completion, turn, sent)
            place.append(self._place(ask, thought))
            said.extend([*bodies, Text.of(place[0].decode())])
            return thought

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
                silent=Thought(said=Text.of(""), model="", finish_reason="stopped", prompt_digest=sent, charges={}),
                before=before,
                texts=lambda _: said,
                shown=lambda content: content,
                retold=lambda thought: "" if thought.answer is None else thought.answer.body or "",
            )
        )
        self._blobs.hold(tenant, *said)
        if reply.stopped:
            return reply
        kept = self._place(ask, reply)
        if kept not in place:
            # It was another attempt that bought this reply, perhaps before the run was reset to an earlier turn.
            await self._blobs.put(tenant, kept)
        return reply.model_copy(update={"kept": True})

    def _place(self, ask: Think, thought: Thought) -> bytes:
        """The turn's node: the conversation up to it is known before, so that it is stored along with the reply."""
        turn = Turn(role=Role.ASSISTANT, body=thought.said)
        return self._transcripts.fresh(ask.key.tenant, ask.transcript.add(turn))[-1]


def _thought(completion: Completion, turn: str, sent: str) -> tuple[Thought, list[Text]]:
    """The move that the model has chosen, and the texts that have to be stored."""
    asked = completion.tool_calls[:MOST_CALLS]
    calls = [
        ToolCall(f"call-{turn}-{number}", _plain(call.name)[:LONGEST_NAME], _plain(call.arguments))
        for number, call in enumerate(asked, start=1)
    ]
    content = _plain(completion.content)
    said = Text.of(turn_text(content, calls))
    arguments = [Text.of(call.arguments) for call in calls]
    answer = Text.of(content) if not calls and content.strip() else None
    thought = Thought(
        # The answer is what was said: one of the two carries the words.
        said=said.reference() if answer is not None else said.carried(),
        calls=tuple(
            AskedCall(id=call.id, tool=call.name, arguments=text.inline_if_brief())
            for call, text in zip(calls, arguments, strict=True)
        ),
        dropped=len(completion.tool_calls) - len(asked),
        answer=answer,
        model=completion.model,
        finish_reason=completion.finish_reason,
        prompt_digest=sent,
        charges={},
    )
    return thought, [said, *arguments, *([] if answer is None else [answer])]


def _plain(text: str) -> str:
    """What can be stored: halves of characters that a model has cut are no text."""
    return text.encode(errors="replace").decode()
