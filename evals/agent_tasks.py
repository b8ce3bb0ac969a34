"""Loads tasks for agents, each with the writes and facts that are expected, and scores a run of one. Pure functions."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evals.questions import DATASETS

TASKS = DATASETS / "agents"
"""The folder of tasks: `tuning.toml` is for improving instructions and examples, `held_out.toml` for reports."""


class AgentTask(BaseModel):
    """A task, and the expected result of its run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    agent: str
    task: str
    tickets: int = Field(default=0, ge=0)
    """The number of tickets that the desk must have in the end."""
    messages: int = Field(default=0, ge=0)
    """The number of messages that the desk must have in the end."""
    to: str = ""
    """The receiver of every message: a part of the name, in any case."""
    facts: tuple[str, ...] = Field(min_length=1)
    """The expected facts: the answer and each written text must hold at least one of these strings, in any case."""

    @property
    def requires(self) -> tuple[str, ...]:
        """The tools of which the task needs a write, as a backend that gives such tasks names them."""
        return (*(("create_ticket",) if self.tickets else ()), *(("send_message",) if self.messages else ()))


@dataclass(frozen=True)
class TaskScore:
    """The score of one run: each part is right or wrong."""

    writes: bool
    """The desk has the expected tickets and messages and no others, each received once."""
    written: bool
    """Each written text holds a fact and goes to the right receiver; true too where rightly nothing was written."""
    answer: bool
    """The run ended with an answer that holds a fact."""

    @property
    def done(self) -> bool:
        """Whether the task was done."""
        return self.writes and self.written and self.answer


def claimed(task: AgentTask, outcome: str, writes: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Return whether a run was `answered` although a write that its task needs has not reached the desk."""
    lacking = len(writes["tickets"]) < task.tickets or len(writes["messages"]) < task.messages
    return outcome == "answered" and lacking


def load(file: Path) -> list[AgentTask]:
    """Load the tasks of one file, in its order."""
    return [AgentTask.model_validate(table) for table in tomllib.loads(file.read_text())["task"]]


def score(
    task: AgentTask, outcome: str, answer: str, writes: Mapping[str, Sequence[Mapping[str, Any]]], most_received: int
) -> TaskScore:
    """Score a run by its outcome and by its writes at the desk. `most_received` is how often one write arrived."""
    tickets, messages = writes["tickets"], writes["messages"]
    right = (len(tickets), len(messages)) == (task.tickets, task.messages) and most_received <= 1
    with_fact = all(_holds(task, f"{write.get('title', '')} {write['text']}") for write in (*tickets, *messages))
    reached = all(task.to.casefold() in str(message["to"]).casefold() for message in messages)
    return TaskScore(
        writes=right, written=right and with_fact and reached, answer=outcome == "answered" and _holds(task, answer)
    )


def _holds(task: AgentTask, text: str) -> bool:
    return any(fact.casefold() in text.casefold() for fact in task.facts)
