"""Approval policies: who may decide about a tool's calls, how a decision is trusted, and what a timeout does."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from perdure.contracts.contract import Contract

MOST_REMINDERS = 50
"""The most reminders about one step. Each adds events to the history, and more than fifty help nobody."""

SHORTEST = timedelta(seconds=1)
"""The shortest timeout, reminder interval or escalation delay."""


class Trust(StrEnum):
    """The kind of decision that counts."""

    SIGNED = "signed"
    """Only a decision with a credential, which an effect verifies."""
    NAMESPACE = "namespace"
    """A decision of everybody who can reach the namespace, under any name. It is marked as unverified."""


class Escalation(Contract):
    """More people who may decide once a step has waited for `after`."""

    after: timedelta = Field(ge=SHORTEST)
    """The delay, counted from when the step began to wait."""
    names: tuple[str, ...] = ()
    """People who may decide then."""
    groups: tuple[str, ...] = ()
    """Groups whose members may decide then."""


class ApprovalPolicy(Contract):
    """The policy of an agent's grant for the people who decide about a tool's calls."""

    trust: Trust = Trust.NAMESPACE
    names: tuple[str, ...] = ()
    """People who may decide."""
    groups: tuple[str, ...] = ()
    """Groups whose members may decide. With neither names nor groups, anybody may."""
    members: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """The members of each group, in addition to those whose credential names the group."""
    quorum: int = Field(default=1, ge=1, le=20)
    """How many different people have to approve a call. One denial is enough."""
    four_eyes: bool = True
    """Whether the person who started the run may not decide about its calls. They may answer questions."""
    remind: timedelta | None = Field(default=None, ge=SHORTEST)
    """The interval between reminders; None for no reminders."""
    escalate: tuple[Escalation, ...] = ()
    """The escalations, the earliest first; empty for none."""
    timeout: timedelta | None = Field(default=None, ge=SHORTEST)
    """How long a call waits for approval, or a question for its answer; None for no limit."""
    on_timeout: Literal["approve", "deny"] = "deny"
    """The ruling on a call after the timeout. A question then counts as unanswered."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        named = bool(self.names or self.groups)
        for before, step in zip((None, *self.escalate), self.escalate, strict=False):
            if not named:
                raise ValueError("escalate: anybody may decide already: name who may at first in names or groups")
            if not step.names and not step.groups:
                raise ValueError("escalate: it names nobody: give names or groups")
            if before is not None and step.after <= before.after:
                raise ValueError(f"escalate: {step.after} comes not after {before.after}: write them in their order")
            if self.timeout is not None and step.after >= self.timeout:
                raise ValueError(f"escalate: {step.after} is not before the timeout, {self.timeout}: nobody could act")
        known = sum(len(people) for people in (self.names, *self.members.values()))
        closed = named and not set(self.groups) - set(self.members) and self.trust is Trust.NAMESPACE
        if closed and not self.escalate and known < self.quorum:
            raise ValueError(f"quorum: {self.quorum} people have to agree, and only {known} may: name more")
        return self

    def deciders(self, escalated: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names and the groups that may decide after `escalated` escalations."""
        steps = self.escalate[:escalated]
        names = (*self.names, *(name for step in steps for name in step.names))
        groups = (*self.groups, *(group for step in steps for group in step.groups))
        return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(groups))


class Voice(Contract):
    """One person's approval of a call as it is now."""

    by: str
    """The person who approves."""
    verified: bool = False
    """Whether a credential proves who it is."""
    decision_id: str
    at: AwareDatetime
    """The moment of the approval."""
