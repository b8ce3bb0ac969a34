"""A run told as a Markdown table, for the details page of the Temporal UI."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from temporalio import workflow

from perdure.contracts.budget import Spend, cost_text
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.continued import Telling
from perdure.contracts.runs.run import AnyPhase, StageTiming

SHOWN = 100
"""Lines. The server keeps 20,000 bytes of details; of a long run the newest lines are shown."""

MILLISECOND = timedelta(milliseconds=1)

DAY = re.compile(r"\| \| (\d{4}-\d\d-\d\d)")
"""A line that names a day."""

GAP = "\u2003"
"""Between two columns: the UI draws tables without any space between their cells."""


def _no_headline() -> Iterable[str]:
    return ()


class Timeline:
    """What happened so far, a line for each phase and each finding. Times are workflow time."""

    def __init__(self, *, summed: bool = False, headline: Callable[[], Iterable[str]] = _no_headline) -> None:
        """`summed` is for runs that come back to each phase many times: a phase is told of once, with all its time.

        `headline` says what stands above the table: paragraphs, for who wants to know how the run is now.
        """
        self._summed = summed
        self._headline = headline
        self._day: date | None = None
        """Of the newest line: a run may last for weeks, and each new day is told."""
        self._shown = ""
        self._lines: list[str] = []
        self._earlier = 0
        """Lines that are shown no more."""
        self._took: list[tuple[str, timedelta]] = []
        self._phase: str | None = None
        self._since: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """When the present phase began."""
        return self._since

    def enter(self, phase: AnyPhase, now: datetime) -> None:
        """A phase begins."""
        self._leave(now)
        self._phase, self._since = phase.value, now
        self.say(*self._new_day(now), f"| {now:%H:%M:%S}{GAP}| **{phase.value}** | |")

    def verdicts(self, stage: str, verdicts: tuple[Verdict, ...], *, quietly: bool = False) -> None:
        """Guards have spoken. Their reasons never hold the checked text. `quietly` tells only of what they found."""
        lines: list[str] = []
        silent = [verdict.guard for verdict in verdicts if verdict.passed and not verdict.reason]
        if silent and not quietly:
            lines.append(f"| | {stage}{GAP}| passed: {', '.join(silent)} |")
        for verdict in (verdict for verdict in verdicts if verdict.reason or not verdict.passed):
            found = "passed" if verdict.passed else verdict.action.value
            lines.append(f"| | {stage}: {verdict.guard}{GAP}| {found}: {verdict.reason} |")
        self.say(*lines)

    def note(self, notice: str) -> None:
        """Something that a reader should know."""
        self.step("**notice**", notice, workflow.now())

    def step(self, name: str, found: str, now: datetime) -> None:
        """A step has come to something. Its words are ours: no text of a model or a tool is among them."""
        self.say(*self._new_day(now), f"| {now:%H:%M:%S}{GAP}| {name}{GAP}| {found} |")

    def close(self, outcome: str, spent: Spend, now: datetime) -> None:
        """The run is over."""
        self._leave(now)
        self.step(f"**{outcome}**", cost_text(spent), now)

    def say(self, *lines: str) -> None:
        """Show the table as it is now."""
        self._lines, left_out = newest([*self._lines, *lines])
        self._earlier += left_out
        head = [
            *(f"{paragraph}\n" for paragraph in self._headline()),
            f"| time (UTC){GAP}| step{GAP}| found |",
            "|---|---|---|",
            *([f"| | *{self._earlier} earlier lines* | |"] if self._earlier else []),
        ]
        shown = "\n".join([*head, *self._lines])
        if shown != self._shown:
            self._shown = shown
            workflow.set_current_details(shown)

    def _new_day(self, now: datetime) -> list[str]:
        """A line that names the day, where it is another one than before."""
        if self._day == now.date():
            return []
        self._day = now.date()
        return [f"| | {now:%Y-%m-%d}{GAP}| |"]

    def stages(self) -> tuple[StageTiming, ...]:
        """How long each phase took, up to the present one."""
        return tuple(StageTiming(stage=stage, milliseconds=round(took / MILLISECOND)) for stage, took in self._took)

    def telling(self) -> Telling:
        """All of it, for the run's next execution."""
        return Telling(
            lines=tuple(self._lines), earlier=self._earlier, timings=self.stages(), since=self._since, day=self._day
        )

    def restore(self, phase: AnyPhase, telling: Telling) -> None:
        """What an earlier execution has told, and the phase that it was in."""
        self._lines, self._earlier = list(telling.lines), telling.earlier
        days = [found[1] for found in map(DAY.match, self._lines) if found]
        self._day = date.fromisoformat(days[-1]) if days else None
        self._took = [(timing.stage, timing.milliseconds * MILLISECOND) for timing in telling.timings]
        self._phase, self._since = phase.value, telling.since
        self._day = telling.day

    def _leave(self, now: datetime) -> None:
        if self._phase is None or self._since is None:
            return
        phase, took = self._phase, now - self._since
        places = [place for place, (stage, _) in enumerate(self._took) if stage == phase] if self._summed else []
        if places:
            self._took[places[0]] = (phase, self._took[places[0]][1] + took)
        else:
            self._took.append((phase, took))
        self._phase = None


def newest(lines: list[str]) -> tuple[list[str], int]:
    """The lines to show, below the day of the oldest of them, and how many others are left out."""
    over = max(0, len(lines) - SHOWN)
    left_out, shown = lines[:over], lines[over:]
    days = [line for line in left_out if DAY.match(line)]
    if days and not DAY.match(shown[0]):
        shown.insert(0, days[-1])
    return shown, over - len(days)
