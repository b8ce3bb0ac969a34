"""What a person who decides has to know, for the run's page: the task, what the model had read, its words, the call.

All of it is untrusted text: it stands in blocks of code, where nothing is markup, with every character visible.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.legibility import spelled_out
from perdure.contracts.tool_calls.briefing import Briefing, Excerpt, ReadText
from perdure.contracts.tool_calls.decisions import EarlierDecision, PendingStep

MOST_BYTES = 9000
"""The most bytes of all that is shown here: the server keeps 20,000 of a page, and the timeline needs the rest."""

ARGUMENTS = 4000
"""The most bytes of the arguments of all calls."""

LINE = 160
"""The most characters of a line about a text that was read, or about a decision."""

WIDTH = 72
"""The characters that the page shows of a line in a block: the rest would be seen only by moving the block sideways."""

EARLIER = 8
"""The most earlier decisions that are shown, the newest ones."""


def dossier(run: AgentRun, waiting: Sequence[PendingStep], name: str) -> Iterator[str]:
    """Yield paragraphs for the people who decide about these steps. `name` is the run's name in commands."""
    if not waiting:
        return
    left = MOST_BYTES
    for paragraph in _paragraphs(run, waiting):
        left -= len(paragraph.encode())
        if left < 0:
            yield f"*The rest is too long for this page*: `perdure show {name}`"
            return
        yield paragraph


def _paragraphs(run: AgentRun, waiting: Sequence[PendingStep]) -> Iterator[str]:
    """Yield the paragraphs, the most important first: what is decided, then why it is asked for."""
    for step in waiting:
        yield f"**{step.step}** asks with these arguments:\n\n{block(_arguments(step, ARGUMENTS // len(waiting)))}"
    if run.briefing is not None:
        yield from _briefing(run.briefing)
    if run.decided:
        yield f"Decided before in this run:\n\n{block(_wrapped(map(_decided, run.decided[-EARLIER:])))}"


def _briefing(briefing: Briefing) -> Iterator[str]:
    yield f"The task:\n\n{block(_wrapped(_excerpt(briefing.task)))}"
    if briefing.words.text:
        yield f"The model's words before the call:\n\n{block(_wrapped(_excerpt(briefing.words)))}"
    if briefing.read:
        older = [f"{briefing.earlier} more before these"] if briefing.earlier else []
        older += ["older ones only as its own summary"] if briefing.summed_up else []
        more = f" ({', '.join(older)})" if older else ""
        lines = _wrapped(line for text in briefing.read for line in _read(text))
        yield f"What the model had read{more}:\n\n{block(lines)}"
    elif not briefing.earlier:
        yield "The model had read nothing that a tool returned."


def _excerpt(excerpt: Excerpt) -> list[str]:
    more = [f"[{excerpt.left_out:,} more characters]"] if excerpt.left_out else []
    return [*excerpt.text.split("\n"), *more]


def _read(text: ReadText) -> list[str]:
    return [
        _one_line(f"{text.call} {text.tool} {text.asked}"),
        _one_line(f"  {text.title}"),
        *([_one_line(f"  {text.head}")] if text.head else []),
    ]


def _decided(decision: EarlierDecision) -> str:
    trust = "" if decision.verified else ", unverified"
    edited = ", with other arguments" if decision.edited else ""
    reason = f" ({decision.reason})" if decision.reason else ""
    words = f"{decision.step} {decision.tool}: {decision.ruling.value}{edited}, by {decision.by}{trust}{reason}"
    return _one_line(f"{decision.at:%Y-%m-%d %H:%M} {words}")


def _arguments(step: PendingStep, most: int) -> list[str]:
    return [f"[{step.unseen:,} bytes, too large to show]"] if step.unseen else _excerpt(step.arguments_shown(most))


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines so that each fits the page; arguments stay as they are, since a person approves just those."""
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _one_line(text: str) -> str:
    indented = text[: len(text) - len(text.lstrip())]
    line = indented + " ".join(text.split())
    return line if len(line) <= LINE else line[: LINE - 1] + "…"


def block(lines: Iterable[str]) -> str:
    """Return untrusted lines as a block of code. None of them can end it, since no backtick is left."""
    inside = "\n".join(spelled_out(line).replace("`", "'").replace("\n", " ") for line in lines)
    return f"```text\n{inside}\n```"
