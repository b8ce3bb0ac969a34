"""The injection guard's threshold: few honest texts of any kind and length are taken for attacks, as its card says."""

import json
import random
import re
from functools import cache
from math import comb

import pytest

from activities.adapters.guards.injection.classifier import CARD, FACTS, Classifier
from activities.settings import ROOT
from evals.injection.card import GUARDS_PAGE, HONEST, Figures, page_sentence, section
from evals.injection.false_alarms import FIGURES_FILE
from evals.injection.honest_sources import Half
from evals.injection.honest_texts import Kind, collect
from evals.injection.train import FIGURES
from evals.injection.training import correct

ALLOWED = 0.02
"""The share of honest texts that may be taken for attacks."""
SAMPLE = 60
SEED = 7
"""Another seed than the threshold was set with."""
TOGETHER = 8
"""The number of texts of a kind that make a long one."""


def most(count: int, share: float, doubt: float = 0.001) -> int:
    """Return the most hits that a share explains: more have a chance below `doubt`."""
    left = 1.0
    for hits in range(count + 1):
        left -= comb(count, hits) * share**hits * (1 - share) ** (count - hits)
        if left < doubt:
            return hits
    return count


@cache
def sample(kind: Kind) -> list[str]:
    return [one.text for one in collect(kind, Half.HELD_OUT, SAMPLE, seed=SEED, share=4)]


@cache
def classifier() -> Classifier:
    return Classifier.load()


def alarms(texts: list[str]) -> list[str]:
    return [text for text in texts if classifier().probability(text) >= classifier().threshold]


def figures() -> Figures:
    return Figures.model_validate_json(FIGURES_FILE.read_text())


def test_a_binomial_bound_is_the_tables() -> None:
    assert most(60, 0.02) == 6  # more than 5 have the chance 0.0013, more than 6 the chance 0.0002


@pytest.mark.parametrize("kind", Kind)
def test_of_honest_texts_of_every_kind_no_more_are_taken_for_attacks_than_two_percent_explain(kind: Kind) -> None:
    texts = sample(kind)
    assert len(texts) >= SAMPLE // 2
    found = alarms(texts)
    assert len(found) <= most(len(texts), ALLOWED), found


@pytest.mark.parametrize("kind", Kind)
def test_a_long_honest_text_raises_no_more_alarms_than_a_short_one(kind: Kind) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a mixture, not a secret
    texts = ["\n\n".join(chance.sample(sample(kind), TOGETHER)) for _ in range(SAMPLE // 2)]
    found = alarms(texts)
    assert len(found) <= most(len(texts), ALLOWED), [text[:80] for text in found]


def test_without_the_correction_long_texts_would_raise_more_alarms() -> None:
    texts = ["\n\n".join(sample(Kind.CODE)[start : start + TOGETHER]) for start in range(0, SAMPLE, TOGETHER)]
    now = classifier()
    plain = Classifier(now.idf, now.weights, now.intercept, now.threshold)
    assert sum(map(plain.probability, texts)) > sum(map(now.probability, texts))


def test_a_text_of_one_window_is_not_corrected_and_one_of_many_is() -> None:
    now = classifier()
    plain = Classifier(now.idf, now.weights, now.intercept, now.threshold)
    short, long = "How long is the notice period?", "How long is the notice period? " * 40
    assert now.probability(short) == plain.probability(short)
    assert now.probability(long) < plain.probability(long)


def test_the_threshold_that_is_set_on_honest_texts_lets_them_pass_and_its_slope_is_that_of_their_tails() -> None:
    kinds = {kind.value: sample(kind) for kind in (Kind.EMAIL, Kind.CODE, Kind.PROSE)}
    corrected = correct(classifier(), kinds)
    assert 0.2 < corrected.slope < 0.8
    over = [text for texts in kinds.values() for text in texts if corrected.probability(text) >= corrected.threshold]
    assert over == []


def test_the_card_and_the_guards_page_say_what_was_measured() -> None:
    card, page = CARD.read_text(), (ROOT / "agents" / "GUARDS.md").read_text()
    assert f"\n{section(figures())}\n{FIGURES}\n" in card
    assert re.findall(r"^## (.*)", card, re.MULTILINE) == [
        "Data",
        "Limits",
        "To train it again",
        HONEST.removeprefix("## "),
        FIGURES.removeprefix("## "),
    ]
    found = GUARDS_PAGE.search(page)
    assert found
    assert found[0] == page_sentence(figures())


def test_the_figures_are_of_the_threshold_that_the_guard_uses() -> None:
    facts = json.loads(FACTS.read_text())
    measured = figures()
    assert (measured.sha256, measured.threshold, measured.slope) == tuple(
        facts[name] for name in ("sha256", "threshold", "slope")
    )


def test_by_the_figures_a_longer_text_raises_no_more_alarms_than_a_short_one() -> None:
    shortest, *longer = figures().lengths
    for lengths in longer:
        assert lengths.after <= most(lengths.texts, max(shortest.after, 1) / shortest.texts)


def test_of_a_thousand_honest_texts_of_every_kind_at_most_two_percent_were_taken_for_attacks() -> None:
    held_out = figures().held_out()
    assert [one.kind for one in held_out] == [kind.value for kind in Kind]
    assert [one.kind for one in held_out if one.texts < 1000 or one.after > ALLOWED * one.texts] == []
