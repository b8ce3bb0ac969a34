"""A conversation as its model's server counts it, for tests of when its older turns are summed up."""

from dataclasses import dataclass, field
from typing import Any

from agents import summary
from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.agents.compaction import Compacted, Compaction
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.budget import Spend
from perdure.contracts.text import Text
from tests.state_machines.trials.agent_states import NEAR, SPEC, outcome, run_of
from workflows.state_machines import agent, compaction, tool_call
from workflows.state_machines.agent import Compact, next_step

INSTRUCTIONS = Text.of(summary.INSTRUCTIONS).reference()

BYTES_FOR_A_TOKEN = 4


@dataclass
class ServedConversation:
    """A conversation as a model's server counts it, beside the machine's own account of it."""

    window: int = 4096
    at: float = 0.8
    summary_tokens: int = 200
    fixed: int = 300
    """Tokens of the fixed beginning, as the server counts them."""
    run: AgentRun = field(init=False)
    real: dict[str, int] = field(default_factory=dict[str, int])
    """Tokens of each turn, by its link."""
    thoughts: int = 0

    def __post_init__(self) -> None:
        how = Compaction(at=self.at, tokens=self.summary_tokens, instructions=INSTRUCTIONS)
        spec = SPEC.model_copy(update={"compaction": how})
        near = NEAR.model_copy(update={"context_window": self.window})
        self.run = agent.begun(run_of(spec=spec, deployment=near), Text.of("Do it." * 10))
        self.order: list[str] = []
        self.covered = 0
        self.summary: str | None = None
        self.summaries: list[str] = []
        self._count(15)

    def _count(self, *tokens: int) -> None:
        """Record the newest turns with their tokens."""
        places = self.run.transcript.placed()
        for link, counted in zip(list(places)[-len(tokens) :], tokens, strict=True):
            self.real[link] = counted
            self.order.append(link)

    @property
    def shown(self) -> list[str]:
        """The links of the turns in a prompt. A summary covers all earlier turns, also where the cut is before them."""
        if self.summary is None:
            return self.order
        return [self.order[0], self.summary, *(one for one in self.order[self.covered :] if one not in self.summaries)]

    @property
    def prompt(self) -> int:
        """The tokens of the next thought's prompt, as the server counts them."""
        return self.fixed + sum(self.real[link] + 5 for link in self.shown)

    def think(
        self,
        output: int = 40,
        result: int = 400,
        *,
        tokens: int | None = None,
        reports: bool = True,
        lost: bool = False,
    ) -> None:
        """Let the model ask for a call, and answer it with a result of so many bytes.

        `lost`: the worker that bought the reply died before it told, and another attempt got it for nothing.
        """
        self.thoughts += 1
        charge = Spend(steps=1, input_tokens=self.prompt if reports else 0, output_tokens=output)
        call_asked = AskedCall(id=f"call-{self.thoughts}-1", tool="search", arguments=Text.of("{}"))
        text = Text.of("x" * output * BYTES_FOR_A_TOKEN)
        charges = {1: charge, 2: Spend()} if lost else {1: charge}
        self.run = agent.thought(self.run, thought(call_asked, said=text, charges=charges))
        self._count(output)
        call = self.run.call(call_asked.id)
        self.run = agent.observed(self.run.with_call(tool_call.answered(call, outcome("y" * result))))
        self._count(min(result, result // BYTES_FOR_A_TOKEN if tokens is None else tokens))

    def compact(self, step: Compact, written: int = 150, *, lost: bool = False) -> None:
        """Let the model sum up the turns before the cut. An empty summary changes nothing."""
        body = Text.of(summary.shown("z" * written * BYTES_FOR_A_TOKEN, 3))
        charge = Spend(steps=1, input_tokens=1, output_tokens=written)
        reply = Compacted(
            summary=body,
            turns=3,
            model="m",
            finish_reason="stop",
            empty=not written,
            prompt_digest="1" * 64,
            charges={1: charge, 2: Spend()} if lost else {1: charge},
        )
        if not written:
            self.run = compaction.compacted(self.run, step.cut, reply)
            return
        self.covered = self.order.index(step.cut.link) + 1
        self.run = compaction.compacted(self.run, step.cut, reply)
        self._count(written + 100)
        self.summary = self.order[-1]
        self.summaries.append(self.summary)


def thought(*calls: AskedCall, **more: Any) -> Thought:
    return Thought(calls=calls, model="m", finish_reason="stop", prompt_digest="1" * 64, **more)


def full(**how: Any) -> tuple[ServedConversation, Compact]:
    """Return a conversation whose window is nearly full, and the compaction that is due."""
    conversation = ServedConversation(**how)
    for _ in range(1000):
        step = next_step(conversation.run)
        if isinstance(step, Compact):
            return conversation, step
        conversation.think()
    raise AssertionError("the window never fills")
