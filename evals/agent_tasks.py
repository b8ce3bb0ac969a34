"""Tasks for agents: what the desk has to receive and the answer has to say, and how a run of one is scored. Pure."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evals.questions import DATASETS

TASKS = DATASETS / "agents"
"""`tuning.toml` is what instructions and examples may be improved on; `held_out.toml` is what is reported."""


class AgentTask(BaseModel):
    """A task and what is expected of the run that does it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    agent: str
    task: str
    tickets: int = Field(default=0, ge=0)
    """How many the desk has to have in the end."""
    messages: int = Field(default=0, ge=0)
    to: str = ""
    """Whom every message has to go to, as a part of the name, whatever the case."""
    facts: tuple[str, ...] = Field(min_length=1)
    """Strings of which the answer, and each thing that was written, hold at least one, whatever the case."""


@dataclass(frozen=True)
class TaskScore:
    """What was right."""

    writes: bool
    """The desk has what was asked for and nothing else, each received once."""
    written: bool
    """What was written holds a fact, and goes to whom it should; true where rightly nothing was written."""
    answer: bool
    """The run was answered, with a fact."""

    @property
    def done(self) -> bool:
        """Whether the task was done."""
        return self.writes and self.written and self.answer


def load(file: Path) -> list[AgentTask]:
    """The tasks of one file, in its order."""
    return [AgentTask.model_validate(table) for table in tomllib.loads(file.read_text())["task"]]


def score(
    task: AgentTask, outcome: str, answer: str, kept: Mapping[str, Sequence[Mapping[str, Any]]], most_received: int
) -> TaskScore:
    """Score a run by how it ended and by what the desk has of it. `most_received` is the most often received write."""
    tickets, messages = kept["tickets"], kept["messages"]
    right = (len(tickets), len(messages)) == (task.tickets, task.messages) and most_received <= 1
    told = all(_holds(task, f"{one.get('title', '')} {one['text']}") for one in (*tickets, *messages))
    reached = all(task.to.casefold() in str(one["to"]).casefold() for one in messages)
    return TaskScore(
        writes=right, written=right and told and reached, answer=outcome == "answered" and _holds(task, answer)
    )


def _holds(task: AgentTask, words: str) -> bool:
    return any(fact.casefold() in words.casefold() for fact in task.facts)
