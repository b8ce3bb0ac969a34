"""A run told as a Markdown table, for the details page of the Temporal UI."""

from datetime import datetime, timedelta

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.continued import Telling
from perdure.contracts.guards import Verdict
from perdure.contracts.run import AnyPhase, StageTiming

SHOWN = 100
"""Lines. The server keeps 20,000 bytes of details; of a long run the newest lines are shown."""

MILLISECOND = timedelta(milliseconds=1)


class Timeline:
    """What happened so far, a line for each phase and each finding. Times are workflow time."""

    def __init__(self, *, summed: bool = False) -> None:
        """`summed` is for runs that come back to each phase many times: a phase is told of once, with all its time."""
        self._summed = summed
        self._lines: list[str] = []
        self._earlier = 0
        """Lines that are shown no more."""
        self._took: list[tuple[str, timedelta]] = []
        self._phase: str | None = None
        self._since: datetime | None = None

    def enter(self, phase: AnyPhase, now: datetime) -> None:
        """A phase begins."""
        self._leave(now)
        self._phase, self._since = phase.value, now
        self.say(f"| {now:%H:%M:%S} | **{phase.value}** | |")

    def verdicts(self, stage: str, verdicts: tuple[Verdict, ...]) -> None:
        """Guards have spoken. Their reasons never hold the checked text."""
        lines: list[str] = []
        silent = [verdict.guard for verdict in verdicts if verdict.passed and not verdict.reason]
        if silent:
            lines.append(f"| | {stage} | passed: {', '.join(silent)} |")
        for verdict in (verdict for verdict in verdicts if verdict.reason or not verdict.passed):
            found = "passed" if verdict.passed else verdict.action.value
            lines.append(f"| | {stage}: {verdict.guard} | {found}: {verdict.reason} |")
        self.say(*lines)

    def note(self, notice: str) -> None:
        """Something that a reader should know."""
        self.say(f"| | **notice** | {notice} |")

    def step(self, name: str, found: str, now: datetime) -> None:
        """A step has come to something. Its words are ours: no text of a model or a tool is among them."""
        self.say(f"| {now:%H:%M:%S} | {name} | {found} |")

    def close(self, outcome: str, spent: Spend, now: datetime) -> None:
        """The run is over."""
        self._leave(now)
        cost = f"{spent.input_tokens} + {spent.output_tokens} tokens, ${spent.micro_dollars / 1_000_000:.6f}"
        self.say(f"| {now:%H:%M:%S} | **{outcome}** | {cost} |")

    def say(self, *lines: str) -> None:
        """Show the table as it is now."""
        self._lines.extend(lines)
        over = max(0, len(self._lines) - SHOWN)
        self._earlier += over
        del self._lines[:over]
        head = [
            "| time | step | found |",
            "|---|---|---|",
            *([f"| | *{self._earlier} earlier lines* | |"] if self._earlier else []),
        ]
        workflow.set_current_details("\n".join([*head, *self._lines]))

    def stages(self) -> tuple[StageTiming, ...]:
        """How long each phase took, up to the present one."""
        return tuple(StageTiming(stage=stage, milliseconds=round(took / MILLISECOND)) for stage, took in self._took)

    def telling(self) -> Telling:
        """All of it, for the run's next execution."""
        return Telling(lines=tuple(self._lines), earlier=self._earlier, timings=self.stages(), since=self._since)

    def go_on(self, phase: AnyPhase, telling: Telling) -> None:
        """What an earlier execution has told, and the phase that it was in."""
        self._lines, self._earlier = list(telling.lines), telling.earlier
        self._took = [(timing.stage, timing.milliseconds * MILLISECOND) for timing in telling.timings]
        self._phase, self._since = phase.value, telling.since

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
