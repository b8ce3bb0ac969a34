"""Writes the measured figures of the injection guard into its card and the guards' page."""

import re
import textwrap

from pydantic import BaseModel, ConfigDict

from evals.injection.honest_sources import Half
from evals.intervals import share

HONEST = "## Honest texts"
"""The heading of the part of the card that `injection-honest --write` writes."""
GUARDS_PAGE = re.compile(r"^Measured: .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
"""The paragraph of the guards' page that `injection-honest --write` writes."""
COLUMNS = 118


class _Counted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: int
    before: int
    """How many were taken for attacks with the threshold of before."""
    after: int
    """How many are taken for attacks now."""


class Alarms(_Counted):
    """The honest texts of one kind in one half, and how many of them are taken for attacks."""

    kind: str
    half: str
    from_phrases: int
    """How many of them are put together from phrases."""
    sources: str
    """The sources with their versions, and the number of texts of each."""


class Found(_Counted):
    """Attacks of one set, and how many of them are found."""

    attacks: str


class Lengths(_Counted):
    """The held-out honest texts of up to so many windows, beyond the group before."""

    windows: int


class Figures(BaseModel):
    """The figures of a threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    threshold: float
    slope: float
    threshold_before: float
    seed: int
    alarms: list[Alarms]
    found: list[Found]
    lengths: list[Lengths]

    def held_out(self) -> list[Alarms]:
        """Return the figures of the half that the threshold was not set on."""
        return [one for one in self.alarms if one.half == Half.HELD_OUT.value]


def section(figures: Figures) -> str:
    """Return the card's part about honest texts."""
    calibration = {one.kind: one for one in figures.alarms if one.half == Half.CALIBRATION.value}
    lines = [
        HONEST,
        "",
        (
            f"Threshold {figures.threshold} with the slope {figures.slope}; before, it was {figures.threshold_before} "
            "without a correction. Shares come with Wilson's 95 % intervals. "
            "`evals/datasets/injection/honest_figures.json` has the sources with their versions."
        ),
        "",
        "| kind | texts, sources, from phrases | taken for attacks, before | now | now, where the threshold was set |",
        "|---|---|---|---|---|",
    ]
    for one in figures.held_out():
        origin = f"{one.texts:,}, {len(one.sources.split(', '))}, {one.from_phrases:,}"
        other = calibration[one.kind]
        shares = [share(one.before, one.texts), share(one.after, one.texts), share(other.after, other.texts)]
        lines.append(f"| {one.kind} | {origin} | {' | '.join(shares)} |")
    lines += ["", "| windows of a held-out text | taken for attacks, before | now |", "|---|---|---|"]
    least = 1
    for one in figures.lengths:
        name = f"{least} to {one.windows}" if least < one.windows else f"{least}"
        name = f"{least} and more" if one is figures.lengths[-1] else name
        lines.append(f"| {name} | {share(one.before, one.texts)} | {share(one.after, one.texts)} |")
        least = one.windows + 1
    lines += ["", "| attacks | found, before | now |", "|---|---|---|"]
    lines += [
        f"| {one.attacks} | {share(one.before, one.texts)} | {share(one.after, one.texts)} |" for one in figures.found
    ]
    return "\n".join(lines) + "\n"


def page_sentence(figures: Figures) -> str:
    """Return the paragraph of the guards' page."""
    alarms = ", ".join(f"{_percent(one)} of {one.kind}" for one in figures.held_out())
    alone, inside, *_ = figures.found
    sentence = (
        f"Measured: it takes {alarms} for an attack ({min(one.texts for one in figures.held_out()):,} and more honest "
        f"texts of each kind, which its threshold was not set on), and finds {_percent(alone)} of our own attacks "
        f"where they stand alone and {_percent(inside)} in the middle of a document."
    )
    return "\n".join(textwrap.wrap(sentence, COLUMNS, break_on_hyphens=False))


def _percent(counted: _Counted) -> str:
    return f"{100 * counted.after / counted.texts:.1f} %"
