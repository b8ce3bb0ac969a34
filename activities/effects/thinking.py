"""Lets a model choose an agent's next move: one paid attempt, recorded before the call and saved after it."""

from collections.abc import Sequence

from activities.bodies import texts
from activities.bodies.cached_blobs import CachedBlobs
from activities.bodies.pins import Pins
from activities.bodies.transcripts import Transcripts
from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import Completion, Sampling, ToolCall, digest_of, nothing_sent
from activities.prompts.agent import turn_text
from activities.prompts.briefing import briefing_of, listed, words_of
from activities.prompts.paid_steps import Prompts
from activities.text.structured_reply import storable
from activities.text.tool_arguments import agreed, granted_name
from activities.tool_calls.results import REFUSAL, plain_line
from perdure.contracts.agents.steps import BRIEF, AskedCall, Think, Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.text import Text
from workflows.effects import THINK
from workflows.state_machines.ending import LONGER

MOST_CALLS = 16
"""The most tool calls of one turn."""

LONGEST_NAME = 200
"""The most characters of a tool's name as the model wrote it."""


class Thinking:
    """The effect `think`."""

    def __init__(self, purchasing: Purchasing, transcripts: Transcripts, pins: Pins, blobs: CachedBlobs) -> None:
        self._purchasing = purchasing
        self._transcripts = transcripts
        self._prompts = Prompts(blobs, transcripts, pins)
        self._blobs = blobs

    @THINK.activity
    async def think(self, ask: Think) -> Thought:
        """Buy a thought, once for each attempt. A reply that an earlier attempt saved is returned instead."""
        tenant = ask.key.tenant
        with nothing_sent():
            prompt, spec, turns = await self._prompts.of_thought(ask)
        prompt_digest = digest_of(prompt)
        turn = ask.key.step.removeprefix("think-").removesuffix(LONGER)
        granted = [tool.name for tool in prompt.tools]
        before = self._transcripts.fresh(tenant, ask.transcript)
        bodies: list[Text] = []
        nodes: list[bytes] = []

        def read(completion: Completion) -> Thought:
            thought, own_bodies = thought_of(completion, turn, granted, prompt_digest)
            nodes.append(self._node(ask, thought))
            bodies.extend([*own_bodies, Text.of(nodes[0].decode())])
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
                stopped_reply=Thought(
                    said=Text.of(""), model="", finish_reason="stopped", prompt_digest=prompt_digest, charges={}
                ),
                before=before,
                texts=lambda _: bodies,
                visible=lambda content: content,
                visible_of_saved=lambda thought: "" if thought.answer is None else thought.answer.body or "",
            )
        )
        self._blobs.hold(tenant, *bodies)
        if reply.stopped:
            return reply
        node = self._node(ask, reply)
        if node not in nodes:
            # Another attempt bought this reply, perhaps before the run was reset to an earlier turn.
            await self._blobs.put(tenant, node)
        briefing, most = None, listed(spec, reply)
        if most is not None:
            said = await texts.read(self._blobs, tenant, reply.said)
            briefing = briefing_of(turns, words_of(said), most)
        return reply.model_copy(update={"kept": True, "briefing": briefing})

    def _node(self, ask: Think, thought: Thought) -> bytes:
        """Return the turn's node, which is stored along with the reply."""
        turn = Turn(role=Role.ASSISTANT, body=thought.said)
        return self._transcripts.fresh(ask.key.tenant, ask.transcript.add(turn))[-1]


def thought_of(
    completion: Completion, turn: str, granted: Sequence[str], prompt_digest: str
) -> tuple[Thought, list[Text]]:
    """Return the move that the model chose, and the texts to store.

    The turn keeps the calls as the model wrote them. The calls to be made have the name of the tool that is meant, and
    the arguments in their canonical form: these people approve, and these the tool is sent.
    """
    requested = completion.tool_calls[:MOST_CALLS]
    calls = [
        ToolCall(f"call-{turn}-{number}", storable(call.name)[:LONGEST_NAME], storable(call.arguments))
        for number, call in enumerate(requested, start=1)
    ]
    content = storable(completion.content)
    body = Text.of(turn_text(content, calls))
    arguments = [Text.of(agreed(call.arguments)) for call in calls]
    answer = Text.of(content) if not calls and content.strip() else None
    thought = Thought(
        # The answer is part of the turn's body: only one of the two carries its text.
        said=body.reference() if answer is not None else body.carried(),
        calls=tuple(
            AskedCall(
                id=call.id,
                tool=granted_name(call.name, granted),
                arguments=text.inline_if_brief(),
                brief=plain_line(text.body or "", BRIEF),
            )
            for call, text in zip(calls, arguments, strict=True)
        ),
        dropped=len(completion.tool_calls) - len(requested),
        answer=answer,
        model=completion.model,
        finish_reason=completion.finish_reason,
        refusal=plain_line(completion.refusal, REFUSAL),
        prompt_digest=prompt_digest,
        charges={},
    )
    return thought, [body, *arguments, *([] if answer is None else [answer])]
