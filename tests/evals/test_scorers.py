"""A score counts expected and verified facts only."""

from evals.questions import HANDBOOK, Kind, Question, load
from evals.scorers import Score, score
from perdure.contracts.chains.knowledge import Citation, Edition
from perdure.contracts.guards import GuardAction, Verdict
from perdure.contracts.runs.run import Abstained, Answered, RunResult
from perdure.contracts.text import Text

ASKED = Question(id="q", kind=Kind.SINGLE, question="?", outcome="answered", documents=["leave@2"], facts=["30 days"])
HOPELESS = Question(id="q", kind=Kind.UNANSWERABLE, question="?", outcome="abstained")


def run_with(answer: str, version: int, *, verified: bool = True) -> RunResult:
    citation = Citation(
        edition=Edition(document="leave", version=version, title="Leave"),
        chunk=0,
        start=0,
        end=4,
        quote="30 d",
        passage=Text.of("30 days").reference(),
    )
    verdict = Verdict(guard="citations_verbatim", passed=verified, action=GuardAction.BLOCK, milliseconds=1)
    return RunResult(outcome=Answered(answer=Text.of(answer), citations=(citation,)), verdicts=(verdict,))


def test_an_expected_answer_scores_in_full() -> None:
    assert score(ASKED, run_with("It is 30 DAYS.", 2)) == Score(outcome=True, citation=True, fact=True)


def test_the_wrong_edition_is_no_citation() -> None:
    assert score(ASKED, run_with("30 days", 1)) == Score(outcome=True, citation=False, fact=True)


def test_an_unverified_citation_does_not_count() -> None:
    assert not score(ASKED, run_with("30 days", 2, verified=False)).citation


def test_abstaining_where_an_answer_is_expected_scores_nothing() -> None:
    assert score(ASKED, RunResult(outcome=Abstained(reason="no"))) == Score(outcome=False, citation=False, fact=False)


def test_abstaining_is_right_where_nothing_answers() -> None:
    assert score(HOPELESS, RunResult(outcome=Abstained(reason="no"))).grounded
    assert not score(HOPELESS, run_with("30 days", 2)).grounded


def test_the_golden_set_has_twenty_questions_and_no_other_set_shares_one() -> None:
    sets = {name: load(HANDBOOK / f"{name}.toml") for name in ("golden", "demo", "calibration")}
    assert len(sets["golden"]) == 20
    every = [question.question.casefold() for questions in sets.values() for question in questions]
    assert len(every) == len(set(every))
