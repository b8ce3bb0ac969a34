"""Compaction: how full the model's window is, when the older turns are summed up, and what is asked for a summary."""

from pydantic import Field

from perdure.contracts.agents.transcript import Transcript
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import PricedDeployment
from perdure.contracts.chains.steps import PaidReply, StepKey
from perdure.contracts.contract import Contract, Digest
from perdure.contracts.text import Text


class Compaction(Contract):
    """When an agent's older turns are summed up, and how. Pinned with its spec."""

    at: float = Field(gt=0, le=1)
    """The share of the model's window that a thought, its prompt and its reply together, may fill."""
    tokens: int = Field(ge=1)
    """Of one summary at most."""
    instructions: Text
    """What the model is told about summaries: the system message."""


class Mark(Contract):
    """A place in a conversation at which it can be cut: a thought was had there, and no call was open."""

    link: Digest
    """Of the last turn before it."""
    tokens: int = Field(ge=0)
    """An upper bound for all bodies that the thought's prompt showed."""
    turns: int = Field(ge=0)
    """How many turns it showed."""
    prompt: int = Field(ge=0)
    """Tokens of the whole prompt, as the model's server counted them; an upper bound where it has not."""


class Window(Contract):
    """How full the model's window is, as far as it is known."""

    opening: Mark
    """The first thought: what stands before it, the task, is shown as long as the run lasts."""
    floor: Mark
    """What cannot be left out: the opening, and the newest summary where there is one."""
    marks: tuple[Mark, ...] = ()
    """Places after the floor at which the conversation can be cut, the newest last; older ones than these few are never
    chosen."""
    counted: bool = False
    """Whether the newest prompt was counted by its server as it is: not where a summary has changed it since."""
    density: int | None = Field(default=None, ge=0, le=1000)
    """Tokens as they are counted for a thousand that there might be at most; None where no two prompts were counted one
    after the other."""
    empty: int = Field(default=0, ge=0)
    """How many summaries in a row came to nothing, the newest ones: they have changed nothing."""
    rest: int = Field(default=0, ge=0)
    """Thoughts until another one is tried, whatever the window holds."""

    @property
    def newest(self) -> Mark:
        """The last place whose prompt is known."""
        return self.marks[-1] if self.marks else self.floor


class Compact(Contract):
    """Sum the older turns up. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    deployment: PricedDeployment
    pinned: Text
    transcript: Transcript
    """Without what prices it."""
    covers: Digest
    """The link up to which the turns are summed up; the task, and what comes later, stays as it is."""
    worst: Spend
    """What is reserved for this attempt: the prompt and the reply are kept within it."""


class Compacted(PaidReply):
    """A summary of the older turns, made by the model."""

    summary: Text
    """The turn for the transcript: the model's words as data, with the word that they are a summary."""
    turns: int = Field(ge=0)
    """How many turns it stands for. An earlier summary among them is one."""
    empty: bool = False
    """Whether the model wrote nothing: the turns stay as they are then."""
    model: str
    finish_reason: str
    prompt_digest: Digest
    """The name of the exact request: `python -m evals show-prompt` rebuilds it."""
