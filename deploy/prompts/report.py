"""A rebuilt prompt as people read it, and as programs do."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text as Line

from activities.ports import ANY_TOOL, Prompt
from deploy.prompts.paid_steps import Attempt


@dataclass(frozen=True)
class Rebuilt:
    """The prompt of one attempt, with its digest and the one that the step's reply names."""

    run: str
    step: str
    attempt: Attempt
    prompt: Prompt
    digest: str
    recorded: str | None
    """None where no attempt has replied."""

    @property
    def verdict(self) -> str:
        """Whether it is what was sent, in one line."""
        if self.recorded is None:
            return f"no digest to check: attempt {self.attempt.ask.attempt} {self.attempt.ended}"
        if self.recorded == self.digest:
            return f"digest matches: {self.digest}"
        return f"digest differs: the reply names {self.recorded}, but what is rebuilt has {self.digest}"

    def fields(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "run": self.run,
            "step": self.step,
            "attempt": self.attempt.ask.attempt,
            "deployment": self.attempt.ask.deployment.name,
            "digest": self.digest,
            "recorded": self.recorded,
            "matches": self.recorded == self.digest,
            "messages": [asdict(message) for message in self.prompt.messages],
            "tools": [asdict(tool) for tool in self.prompt.tools],
            "tool_choice": self.prompt.tool_choice,
            "schema": self.prompt.schema,
        }


def report(shown: Rebuilt, console: Console) -> None:
    """Every message and tool, in the order in which the model gets them."""
    ask = shown.attempt.ask
    console.print(Line(f"{shown.run}, {shown.step}, attempt {ask.attempt} at {ask.deployment.name}", style="bold"))
    for number, message in enumerate(shown.prompt.messages, start=1):
        of = "" if message.tool_call_id is None else f", result of {message.tool_call_id}"
        _part(console, f"{number}. {message.role}{of}", message.content)
        for call in message.tool_calls:
            console.print(Line(f"{call.id}: {_plain(call.name)}({_plain(call.arguments)})", style="cyan"))
    for tool in shown.prompt.tools:
        _part(console, f"tool {tool.name}", f"{tool.description}\n{json.dumps(tool.parameters)}")
    if (due := shown.prompt.tool_choice) not in (None, ANY_TOOL):
        _part(console, "the tool that has to be called", f"{due}: a server of one's own is sent this one alone")
    if shown.prompt.schema is not None:
        _part(console, "the reply's schema", json.dumps(shown.prompt.schema, indent=1))
    console.print(Rule())


def _part(console: Console, title: str, body: str) -> None:
    console.print(Rule(Line(title), align="left"))
    console.print(Line(_plain(body)))


def _plain(text: str) -> str:
    """What models and tools wrote, without signs that steer a terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)
