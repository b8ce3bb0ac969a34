"""Who may decide about a tool's calls, how their word is believed, and what happens while nobody says anything."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from perdure.contracts.contract import Contract

MOST_REMINDERS = 50
"""Reminders about one step: each costs the history some events, and who has not looked after fifty will not."""

SHORTEST = timedelta(seconds=1)
"""Of a timeout, a reminder or an escalation."""


class Trust(StrEnum):
    """Whose word counts."""

    SIGNED = "signed"
    """Only that of who brings a credential, which an effect verifies."""
    NAMESPACE = "namespace"
    """That of everybody who can reach the namespace, under whatever name; it shows as unverified."""


class Escalation(Contract):
    """Others may decide too, once a step has waited so long."""

    after: timedelta = Field(ge=SHORTEST)
    """Since the step began to wait."""
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class ApprovalPolicy(Contract):
    """What an agent's grant says of the people who decide about a tool's calls."""

    trust: Trust = Trust.NAMESPACE
    names: tuple[str, ...] = ()
    """People who may decide."""
    groups: tuple[str, ...] = ()
    """Groups whose members may. Without names and groups, anybody may."""
    members: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Who is in a group, beside those of whom a credential says so."""
    quorum: int = Field(default=1, ge=1, le=20)
    """How many different people have to approve a call. One no is enough."""
    four_eyes: bool = True
    """Whether who started the run is kept from deciding about it; questions they may answer."""
    remind: timedelta | None = Field(default=None, ge=SHORTEST)
    """How often the step is brought up again; None for never."""
    escalate: tuple[Escalation, ...] = ()
    timeout: timedelta | None = Field(default=None, ge=SHORTEST)
    """How long a call waits for its approval, or a question for its answer; None for ever."""
    on_timeout: Literal["approve", "deny"] = "deny"
    """What happens to a call then. A question is told to be unanswered."""

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
        """The names and the groups that may decide after so many escalations."""
        steps = self.escalate[:escalated]
        names = (*self.names, *(name for step in steps for name in step.names))
        groups = (*self.groups, *(group for step in steps for group in step.groups))
        return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(groups))


class Voice(Contract):
    """One person's yes to a call as it is."""

    by: str
    verified: bool = False
    """Whether a credential says that it is them."""
    decision_id: str
    at: AwareDatetime
