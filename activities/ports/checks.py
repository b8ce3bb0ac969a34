"""Ports for guards over texts, and for business rules over records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.contracts.chains.extraction import Problem, Record
from perdure.contracts.chains.knowledge import Citation
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.text import Text


@dataclass(frozen=True)
class Subject:
    """A text for guards to check, with its citations."""

    text: str
    citations: tuple[Citation, ...] = ()
    passages: tuple[Text, ...] = ()
    """The cited passages with their bodies, in the order of the citations."""
    quotes: bool = True
    """Whether the text should quote its passages. The words of a refusal do not: guards of citations skip them."""
    tenant: str = ""
    """The tenant whose text it is: tenants with long texts take turns."""


class Guards(Protocol):
    """Runs guards by name."""

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        """Run guards in parallel, and return a verdict for each in order. Raises `NotConfigured` for an unknown one.

        Cheap guards run first. Where one of them blocks the text, the others do not see it: `Ended.SKIPPED`.
        """
        ...


class Rules(Protocol):
    """Checks business rules over a record."""

    async def check(self, rules: Sequence[GuardSpec], record: Record) -> tuple[Problem, ...]:
        """Return a problem for each rule that the record breaks, in order.

        A field without a value breaks only the rules that require it. Raises `NotConfigured` for an unknown rule and
        for invalid arguments.
        """
        ...
