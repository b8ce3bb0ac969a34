"""A run told as a Markdown table, for the details page of the Temporal UI."""

from datetime import datetime

from temporalio import workflow

from perdure.contracts.budget import Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.run import AnyPhase, Phase, StageTiming

SHOWN = 100
"""Lines. The server keeps 20,000 bytes of details; of a long run the newest lines are shown."""


class Timeline:
    """What happened so far, a line for each phase and each finding. Times are workflow time."""

    def __init__(self) -> None:
        self.phases: list[tuple[AnyPhase, datetime]] = []
        self.lines: list[str] = []

    def enter(self, phase: AnyPhase, now: datetime) -> None:
        """A phase begins."""
        self.phases.append((phase, now))
        self.say(f"| {now:%H:%M:%S} | **{phase.value}** | |")

    def verdicts(self, stage: str, verdicts: tuple[Verdict, ...]) -> None:
        """Guards have spoken. Their reasons never hold the checked text."""
        silent = [verdict.guard for verdict in verdicts if verdict.passed and not verdict.reason]
        if silent:
            self.lines.append(f"| | {stage} | passed: {', '.join(silent)} |")
        for verdict in (verdict for verdict in verdicts if verdict.reason or not verdict.passed):
            found = "passed" if verdict.passed else verdict.action.value
            self.lines.append(f"| | {stage}: {verdict.guard} | {found}: {verdict.reason} |")
        self.say()

    def note(self, notice: str) -> None:
        """Something that a reader should know."""
        self.say(f"| | **notice** | {notice} |")

    def step(self, name: str, found: str, now: datetime) -> None:
        """A step has come to something. Its words are ours: no text of a model or a tool is among them."""
        self.say(f"| {now:%H:%M:%S} | {name} | {found} |")

    def close(self, outcome: str, spent: Spend, now: datetime) -> None:
        """The run is over."""
        self.phases.append((Phase.CLOSED, now))
        cost = f"{spent.input_tokens} + {spent.output_tokens} tokens, ${spent.micro_dollars / 1_000_000:.6f}"
        self.say(f"| {now:%H:%M:%S} | **{outcome}** | {cost} |")

    def say(self, *lines: str) -> None:
        """Show the table as it is now."""
        self.lines.extend(lines)
        hidden = len(self.lines) - SHOWN
        head = [
            "| time | step | found |",
            "|---|---|---|",
            *([f"| | *{hidden} earlier lines* | |"] if hidden > 0 else []),
        ]
        workflow.set_current_details("\n".join([*head, *self.lines[-SHOWN:]]))

    def stages(self) -> tuple[StageTiming, ...]:
        """How long each phase took."""
        spans = zip(self.phases, self.phases[1:], strict=False)
        return tuple(
            StageTiming(stage=phase.value, milliseconds=round((end - begin).total_seconds() * 1000))
            for (phase, begin), (_, end) in spans
        )
