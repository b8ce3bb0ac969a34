"""A run told as a Markdown table, for the details page of the Temporal UI."""

from datetime import datetime

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.run import Phase, StageTiming


class Timeline:
    """What happened so far, a line for each phase and each finding. Times are workflow time."""

    def __init__(self) -> None:
        self.phases: list[tuple[Phase, datetime]] = []
        self.lines: list[str] = []

    def enter(self, phase: Phase, now: datetime) -> None:
        """A phase begins."""
        self.phases.append((phase, now))
        self.say(f"| {now:%H:%M:%S} | **{phase.value}** | |")

    def verdicts(self, stage: str, verdicts: tuple[Verdict, ...]) -> None:
        """Guards have spoken. Their reasons never hold the checked text."""
        for verdict in verdicts:
            passed = f"passed: {verdict.reason}" if verdict.reason else "passed"
            found = passed if verdict.passed else f"{verdict.action.value}: {verdict.reason}"
            self.lines.append(f"| | {stage}: {verdict.guard} | {found} |")
        self.say()

    def note(self, notice: str) -> None:
        """Something that a reader should know."""
        self.say(f"| | **notice** | {notice} |")

    def close(self, outcome: str, spent: Spend, now: datetime) -> None:
        """The run is over."""
        self.phases.append((Phase.CLOSED, now))
        cost = f"{spent.input_tokens} + {spent.output_tokens} tokens, ${spent.micro_dollars / 1_000_000:.6f}"
        self.say(f"| {now:%H:%M:%S} | **{outcome}** | {cost} |")

    def say(self, *lines: str) -> None:
        """Show the table as it is now."""
        self.lines.extend(lines)
        workflow.set_current_details("\n".join(["| time | step | found |", "|---|---|---|", *self.lines]))

    def stages(self) -> tuple[StageTiming, ...]:
        """How long each phase took."""
        spans = zip(self.phases, self.phases[1:], strict=False)
        return tuple(
            StageTiming(stage=phase.value, milliseconds=round((end - begin).total_seconds() * 1000))
            for (phase, begin), (_, end) in spans
        )
