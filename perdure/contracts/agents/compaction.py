"""Compaction: how full the model's context window is, when older turns are summarized, and the paid summary."""

from pydantic import Field

from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import PricedDeployment
from perdure.contracts.chains.steps import PaidReply, StepKey
from perdure.contracts.contract import Contract, Digest
from perdure.contracts.text import Text


class Compaction(Contract):
    """The rule for summarizing an agent's older turns. It is pinned with the spec."""

    at: float = Field(gt=0, le=1)
    """The share of the context window, 0 to 1, that a thought (its prompt and its reply) may fill."""
    tokens: int = Field(ge=1)
    """The most tokens of one summary."""
    instructions: Text
    """The system message for a summary."""


class Mark(Contract):
    """A place in a conversation where it can be cut: a thought began there, and no call was open."""

    link: Digest
    """The link of the last turn before the place."""
    tokens: int = Field(ge=0)
    """An upper bound of the tokens of all bodies that the thought's prompt showed."""
    turns: int = Field(ge=0)
    """The number of turns that the prompt showed."""
    prompt: int = Field(ge=0)
    """The tokens of the whole prompt, as the model's server counted them; an upper bound where it did not."""


class Window(Contract):
    """How full the model's context window is, as far as it is known."""

    opening: Mark
    """The first thought. The turns before it, the task, are shown as long as the run lasts."""
    floor: Mark
    """The part that cannot be cut: the opening, and the newest summary where there is one."""
    marks: tuple[Mark, ...] = ()
    """The places after the floor where the conversation can be cut, the newest last. Only the few newest are kept:
    older ones are never chosen."""
    counted: bool = False
    """Whether the server counted the newest prompt as it is now. False where a summary has changed it since."""
    density: int | None = Field(default=None, ge=0, le=1000)
    """Counted tokens per thousand tokens of the upper bound, 0 to 1000; None before two prompts were counted one after
    the other."""
    empty: int = Field(default=0, ge=0)
    """The number of empty summaries in a row, up to the newest one. They changed nothing."""
    rest: int = Field(default=0, ge=0)
    """The number of thoughts before another summary is tried, however full the window is."""

    @property
    def newest(self) -> Mark:
        """The last mark, or the floor."""
        return self.marks[-1] if self.marks else self.floor


class Compact(Contract):
    """Summarize the older turns. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    """The number of the attempt, from 1."""
    deployment: PricedDeployment
    pinned: Text
    """The spec's JSON, by digest."""
    transcript: Transcript
    """The conversation, without its `tokens` and `turns`."""
    covers: Digest
    """The link of the last turn to summarize. The task, and later turns, stay as they are."""
    worst: Spend
    """The reservation of this attempt. The prompt and the reply are kept within it."""


class Compacted(PaidReply):
    """A summary of the older turns, made by the model."""

    summary: Text
    """The turn for the transcript: the model's words as data, marked as a summary."""
    turns: int = Field(ge=0)
    """The number of turns that it replaces. An earlier summary among them counts as one."""
    empty: bool = False
    """Whether the model wrote nothing. Then the turns stay as they are."""
    model: str
    """The model that answered, as its server names itself."""
    prompt_digest: Digest
    """The digest of the exact request: `perdure evals show-prompt` rebuilds it."""
