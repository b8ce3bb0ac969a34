"""A run's timeline as a Markdown table, for the details page of the Temporal UI."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from temporalio import workflow

from perdure.contracts.budget import Spend, cost_text
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.continued import Telling
from perdure.contracts.runs.run import AnyPhase, StageTiming

SHOWN = 100
"""The most lines that are shown, the newest ones: the server keeps 20,000 bytes of details."""

MILLISECOND = timedelta(milliseconds=1)

DAY = re.compile(r"\| \| (\d{4}-\d\d-\d\d)")
"""The pattern of a line that names a day."""

GAP = "\u2003"
"""The space between two columns: the UI draws tables without any between their cells."""


def _no_headline() -> Iterable[str]:
    return ()


class Timeline:
    """The table of a run: one line for each phase and each finding so far. Times are workflow time."""

    def __init__(self, *, summed: bool = False, headline: Callable[[], Iterable[str]] = _no_headline) -> None:
        """`summed` adds up the times of a phase that a run enters many times, so that the result lists it once.

        `headline` returns the paragraphs above the table, which say how the run is now.
        """
        self._summed = summed
        self._headline = headline
        self._day: date | None = None
        """The day of the newest line. A run may last for weeks, and each new day has a line."""
        self._shown = ""
        self._lines: list[str] = []
        self._earlier = 0
        """The number of lines that are no longer shown."""
        self._durations: list[tuple[str, timedelta]] = []
        self._phase: str | None = None
        self._since: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """The time when the current phase began; None before the first phase."""
        return self._since

    def enter(self, phase: AnyPhase, now: datetime) -> None:
        """End the current phase and begin another."""
        self._leave(now)
        self._phase, self._since = phase.value, now
        self.say(*self._new_day(now), f"| {now:%H:%M:%S}{GAP}| **{phase.value}** | |")

    def verdicts(self, stage: str, verdicts: tuple[Verdict, ...], *, quietly: bool = False) -> None:
        """Add lines for verdicts of guards; their reasons never hold the checked text. `quietly` omits plain passes."""
        lines: list[str] = []
        passes = [verdict.guard for verdict in verdicts if verdict.passed and not verdict.reason]
        if passes and not quietly:
            lines.append(f"| | {stage}{GAP}| passed: {', '.join(passes)} |")
        for verdict in (verdict for verdict in verdicts if verdict.reason or not verdict.passed):
            result = "passed" if verdict.passed else verdict.action.value
            lines.append(f"| | {stage}: {verdict.guard}{GAP}| {result}: {verdict.reason} |")
        self.say(*lines)

    def note(self, notice: str) -> None:
        """Add a notice for the reader."""
        self.step("**notice**", notice, workflow.now())

    def step(self, name: str, result: str, now: datetime) -> None:
        """Add a line with the result of a step. The text must be ours: none of a model's or a tool's."""
        self.say(*self._new_day(now), f"| {now:%H:%M:%S}{GAP}| {name}{GAP}| {result} |")

    def close(self, outcome: str, spent: Spend, now: datetime) -> None:
        """End the current phase, and add the last line: the outcome and the cost of the run."""
        self._leave(now)
        self.step(f"**{outcome}**", cost_text(spent), now)

    def say(self, *lines: str) -> None:
        """Add the lines, and show the table where it changed."""
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
        """Return the line that names the day, or nothing where it is the day of the newest line."""
        if self._day == now.date():
            return []
        self._day = now.date()
        return [f"| | {now:%Y-%m-%d}{GAP}| |"]

    def stages(self) -> tuple[StageTiming, ...]:
        """Return how long each finished phase took."""
        return tuple(
            StageTiming(stage=stage, milliseconds=round(duration / MILLISECOND)) for stage, duration in self._durations
        )

    def telling(self) -> Telling:
        """Return the whole timeline, for the run's next execution."""
        return Telling(
            lines=tuple(self._lines), earlier=self._earlier, timings=self.stages(), since=self._since, day=self._day
        )

    def restore(self, phase: AnyPhase, telling: Telling) -> None:
        """Take over the timeline of the execution before, and the phase that it was in."""
        self._lines, self._earlier = list(telling.lines), telling.earlier
        days = [match[1] for match in map(DAY.match, self._lines) if match]
        self._day = date.fromisoformat(days[-1]) if days else None
        self._durations = [(timing.stage, timing.milliseconds * MILLISECOND) for timing in telling.timings]
        self._phase, self._since = phase.value, telling.since
        self._day = telling.day

    def _leave(self, now: datetime) -> None:
        """End the current phase, and record how long it took."""
        if self._phase is None or self._since is None:
            return
        phase, duration = self._phase, now - self._since
        places = [place for place, (stage, _) in enumerate(self._durations) if stage == phase] if self._summed else []
        if places:
            self._durations[places[0]] = (phase, self._durations[places[0]][1] + duration)
        else:
            self._durations.append((phase, duration))
        self._phase = None


def newest(lines: list[str]) -> tuple[list[str], int]:
    """Return the newest `SHOWN` lines, below the line of their first day, and the number of lines left out."""
    excess = max(0, len(lines) - SHOWN)
    left_out, shown = lines[:excess], lines[excess:]
    days = [line for line in left_out if DAY.match(line)]
    if days and not DAY.match(shown[0]):
        shown.insert(0, days[-1])
    return shown, excess - len(days)
