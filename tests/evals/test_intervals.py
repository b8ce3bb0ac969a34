"""A share is reported with its confidence interval."""

from evals.intervals import share, wilson


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert [round(bound, 4) for bound in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(bound, 4) for bound in wilson(0, 20)] == [0.0, 0.1611]


def test_a_share_is_told_with_its_count() -> None:
    assert share(36, 40) == "36/40 = 90.0 % (76.9 to 96.0)"
    assert share(0, 0) == "none"
