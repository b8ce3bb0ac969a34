"""Scores a run's result against a question's expected result. Pure functions."""

from dataclasses import dataclass

from evals.questions import Question
from perdure.contracts.runs.run import Answered, RunResult

CITATION_GUARD = "citations_verbatim"
"""The guard that verifies citations: they count only where it ran and passed."""


@dataclass(frozen=True)
class Score:
    """The score of one question: each part is right or wrong."""

    outcome: bool
    """The outcome is the expected one."""
    citation: bool
    """An expected document is among the verified citations; where none is expected, nothing was answered."""
    fact: bool
    """An expected fact is in the answer; where none is expected, nothing was answered."""

    @property
    def grounded(self) -> bool:
        """Whether outcome and citation are both right: the floor is set on this figure."""
        return self.outcome and self.citation


def score(question: Question, result: RunResult) -> Score:
    """Compare a result with the expected one."""
    outcome = result.outcome
    right = outcome.kind == question.outcome
    if not isinstance(outcome, Answered):
        nothing_expected = not question.documents
        return Score(right, nothing_expected, nothing_expected)
    cited = {f"{citation.edition.document}@{citation.edition.version}" for citation in outcome.citations}
    verified = any(verdict.guard == CITATION_GUARD and verdict.passed for verdict in result.verdicts)
    answer = (outcome.answer.body or "").casefold()
    return Score(
        outcome=right,
        citation=verified and bool(cited & set(question.documents)),
        fact=any(fact.casefold() in answer for fact in question.facts),
    )
