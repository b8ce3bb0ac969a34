"""Prints a rebuilt prompt for people, and returns its fields for programs."""

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
    """The rebuilt prompt of one attempt: its own digest, and the digest that the step's reply recorded."""

    run: str
    step: str
    attempt: Attempt
    prompt: Prompt
    digest: str
    recorded: str | None
    """The digest in the reply; None where no attempt has replied."""

    @property
    def verdict(self) -> str:
        """Whether the rebuilt prompt is the one that was sent, in one line."""
        if self.recorded is None:
            return f"no digest to check: attempt {self.attempt.ask.attempt} {self.attempt.ended}"
        if self.recorded == self.digest:
            return f"digest matches: {self.digest}"
        return f"digest differs: the reply names {self.recorded}, but what is rebuilt has {self.digest}"

    def fields(self) -> dict[str, Any]:
        """Return the prompt as a dictionary for JSON."""
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


def report(rebuilt: Rebuilt, console: Console) -> None:
    """Print every message and tool in the order in which the model gets them."""
    ask = rebuilt.attempt.ask
    console.print(Line(f"{rebuilt.run}, {rebuilt.step}, attempt {ask.attempt} at {ask.deployment.name}", style="bold"))
    for number, message in enumerate(rebuilt.prompt.messages, start=1):
        of = "" if message.tool_call_id is None else f", result of {message.tool_call_id}"
        _section(console, f"{number}. {message.role}{of}", message.content)
        for call in message.tool_calls:
            console.print(Line(f"{call.id}: {_plain(call.name)}({_plain(call.arguments)})", style="cyan"))
    for tool in rebuilt.prompt.tools:
        _section(console, f"tool {tool.name}", f"{tool.description}\n{json.dumps(tool.parameters)}")
    if (due := rebuilt.prompt.tool_choice) not in (None, ANY_TOOL):
        _section(console, "the tool that has to be called", f"{due}: a self-hosted server gets this tool alone")
    if rebuilt.prompt.schema is not None:
        _section(console, "the reply's schema", json.dumps(rebuilt.prompt.schema, indent=1))
    console.print(Rule())


def _section(console: Console, title: str, body: str) -> None:
    console.print(Rule(Line(title), align="left"))
    console.print(Line(_plain(body)))


def _plain(text: str) -> str:
    """Return text of models and tools with terminal control characters escaped."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)
