"""Waiting steps as text for the person who decides: whole, in a few lines, and who may decide until when."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.text import Text

from perdure.cli.output import ago, one_line, plain
from perdure.contracts.runs.beginning import Beginning
from perdure.contracts.tool_calls.approvals import Trust
from perdure.contracts.tool_calls.briefing import Briefing, ReadText
from perdure.contracts.tool_calls.decisions import EarlierDecision, PendingStep, Ruling, Waiting

DIGEST = 12
"""The characters of a digest that people see and may type. `--json` has all of them."""

CUT = 400
"""The most characters of arguments in the inbox."""

WORDS = 120
"""The most characters of a task, or of a model's words, in the inbox."""

TITLES = 3
"""The most titles in the inbox of what a model had read."""

TASK = 2000
"""The most characters of a task above a run's timeline."""

NARROWEST = 20
"""The fewest columns into which text is wrapped."""

QUESTIONS = {
    Waiting.APPROVAL: ("may it be called?", "approve|edit|deny"),
    Waiting.OUTCOME: ("nobody knows whether it was called", "answer"),
    Waiting.ANSWER: ("the agent asks", "answer|deny"),
}
"""The question and the commands for each kind of waiting step."""

LAPSES = {Ruling.APPROVE: "it is approved", Ruling.DENY: "it is denied"}
"""What a policy does where nobody decides."""


def whole(run: str, step: PendingStep, *, tenant: str) -> list[Text]:
    """Return the lines for a step that waits, with all that a decision would be about. The last one is the command."""
    question, verbs = QUESTIONS[step.waiting]
    head = f"{step.step}  {step.tool} ({step.effect.value})  {question}  since {ago(step.since)}"
    lines = [Text(plain(head), style="yellow")]
    if step.reason:
        lines += _wrapped(step.reason[:500], 2)
    if step.briefing is not None:
        lines += _briefing(step.briefing, starter(step))
    elif step.starter:
        lines.append(Text(f"  started {plain(starter(step))}"))
    lines += [Text("  arguments:"), *(Text(f"    {line}", style="bold") for line in arguments(step))]
    if step.decided:
        lines.append(Text("  decided before in this run:"))
        lines += [part for one in step.decided for part in _wrapped(one_line(_decided(one)), 4)]
    lines += [
        Text(f"  {line}", style="dim") for line in (f"decides: {deciders(step)}", f"nobody answers: {lapse(step)}")
    ]
    lines.append(Text(f"  digest {short(step)}", style="dim"))
    return [*lines, Text(f"  perdure {verbs} {named(run, tenant)} {step.step}", style="dim")]


def brief(run: str, agent: str, step: PendingStep, *, tenant: str) -> list[Text]:
    """Return a few lines for a step in the inbox. What is cut says so, and how to see all of it."""
    question, verbs = QUESTIONS[step.waiting]
    name, briefing = named(run, tenant), step.briefing
    head = f"{run}  {step.step}  {step.tool}  {question}  since {ago(step.since)}"
    lines = [Text(plain(head), style="yellow")]
    if step.reason:
        lines += _wrapped(one_line(step.reason, 300), 2)
    task = "" if briefing is None else f": {_part(briefing.task.text, WORDS, briefing.task.length, name)}"
    lines += _wrapped(f"{agent} {starter(step)}{task}", 2)
    if briefing is not None:
        lines += _wrapped(_titles(briefing), 2)
        words = briefing.words
        lines += _wrapped(f"says: {_part(words.text, WORDS, words.length, name)}", 2) if words.text.strip() else []
    body = step.arguments.body
    call = arguments(step)[0] if body is None else _part(body, CUT, len(body), name)
    lines += [Text(line.plain, style="bold") for line in _wrapped(call, 2)]
    if step.decided:
        lines += _wrapped(f"decided before: {len(step.decided)}, the last: {_decided(step.decided[-1])}", 2)
    lines += _wrapped(f"decides: {deciders(step)}; nobody answers: {lapse(step)}", 2)
    lines.append(Text(f"  digest {short(step)}", style="dim"))
    return [*lines, Text(f"  perdure {verbs} {name} {step.step}", style="dim")]


def task(beginning: Beginning) -> list[Text]:
    """Return the lines on what a run was asked for, and by whom; none where its history does not hold it."""
    if beginning.task is None:
        return []
    by = _by(beginning.starter, verified=beginning.verified) if beginning.starter else ""
    more = len(beginning.task) - TASK
    left_out = f" [{more:,} more characters: --json has all]" if more > 0 else ""
    return [Text(plain(f"task{f', {by}' if by else ''}:{left_out}")), *_wrapped(beginning.task[:TASK], 2)]


def line(step: PendingStep) -> str:
    """Return a step in one line: its name, its tool and the beginning of its arguments."""
    body = step.arguments.body
    return one_line(f"{step.step}  {step.tool}  {'' if body is None else one_line(body, WORDS)}")


def named(run: str, tenant: str) -> str:
    """Return the arguments of a command that name a run."""
    return run if tenant == "default" else f"--tenant {tenant} {run}"


def short(step: PendingStep) -> str:
    """Return the part of the step's digest that people see."""
    return step.digest[:DIGEST]


def starter(step: PendingStep) -> str:
    """Return who started the run, and whether a token proved it."""
    if not step.starter:
        return "by nobody known"
    return _by(step.starter, verified=step.starter_verified)


def _by(name: str, *, verified: bool) -> str:
    return f"by {name} ({'verified' if verified else 'unverified'})"


def deciders(step: PendingStep) -> str:
    """Return who may decide about a step, and who else has to agree."""
    parts = [", ".join((*step.names, *(f"group {group}" for group in step.groups))) or "anybody"]
    parts += [f"but {step.barred}"] if step.barred else []
    parts += ["signed"] if step.trust is Trust.SIGNED else []
    if step.quorum > 1:
        agreed = ", ".join(f"{voice.by}{'' if voice.verified else ', unverified'}" for voice in step.voices)
        parts.append(f"{len(step.voices)} of {step.quorum} agree{f' ({agreed})' if agreed else ''}")
    return one_line(", ".join(parts))


def lapse(step: PendingStep) -> str:
    """Return what happens to a step where nobody decides."""
    if step.until is None or step.on_timeout is None:
        return "it waits without end"
    left = (step.until - datetime.now(UTC)).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if left >= size:
            within = f"in {left // size:.0f}{unit}"
            break
    else:
        within = f"in {max(0, left):.0f}s"
    return f"{LAPSES.get(step.on_timeout, step.on_timeout.value)} {within}, at {step.until:%Y-%m-%d %H:%M %Z}"


def arguments(step: PendingStep) -> list[str]:
    """Return the complete arguments as lines, without control characters."""
    body = step.arguments.body
    if body is None:
        return [f"arguments of {step.unseen:,} bytes: too large to show, digest {step.arguments.digest}"]
    try:
        return shown(json.loads(body))
    except (ValueError, RecursionError):
        return plain(body).split("\n")


def shown(value: object) -> list[str]:
    """Return JSON as lines, in which every character is visible."""
    return plain(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)).split("\n")


def _briefing(briefing: Briefing, by: str) -> Iterator[Text]:
    more = f" [{briefing.task.left_out:,} more characters]" if briefing.task.left_out else ""
    yield Text(f"  task, {plain(by)}:{more}")
    yield from _wrapped(briefing.task.text, 4)
    if briefing.words.text:
        more = f" [{briefing.words.left_out:,} more characters]" if briefing.words.left_out else ""
        yield Text(f"  the model's words before the call:{more}")
        yield from _wrapped(briefing.words.text, 4)
    if not briefing.read:
        yield Text(f"  {_titles(briefing)}")
        return
    older = [f"{briefing.earlier} more before these"] if briefing.earlier else []
    older += ["older ones only as its own summary"] if briefing.summed_up else []
    yield Text(f"  the model had read ({', '.join(older)}):" if older else "  the model had read:")
    for text in briefing.read:
        yield from _read(text)


def _read(text: ReadText) -> Iterator[Text]:
    yield _wrapped_line(f"{text.call} {text.tool} {text.asked}", 4)
    yield from _wrapped(one_line(text.title), 6)
    yield from _wrapped(one_line(text.head), 6) if text.head else []


def _titles(briefing: Briefing) -> str:
    """Return the titles of what the model had read, for the inbox."""
    if not briefing.read:
        return f"the model had read {briefing.earlier or 'nothing'} that a tool returned"
    titles = "; ".join(one_line(text.title, 50) for text in briefing.read[-TITLES:])
    count = len(briefing.read) + briefing.earlier
    last = ", the last" if count > TITLES else ""
    return f"had read {count}{last}: {titles}"


def _decided(one: EarlierDecision) -> str:
    edited = ", with other arguments" if one.edited else ""
    reason = f" ({one.reason})" if one.reason else ""
    trust = "" if one.verified else ", unverified"
    return f"{one.step} {one.tool}: {one.ruling.value}{edited}, by {one.by}{trust}, {ago(one.at)}{reason}"


def _part(text: str, most: int, length: int, name: str) -> str:
    """Return the first `most` characters of a text in one line. What is cut says so, and how to see it."""
    line = one_line(text[:most])
    return line if length <= most else f"{line}… [{most} of {length:,} characters: perdure show {name}]"


def _wrapped_line(text: str, indent: int) -> Text:
    """Return text as one line that fits the terminal."""
    columns = _columns()
    return Text(" " * indent + one_line(text, max(NARROWEST, columns - indent) if columns else 0))


def _wrapped(text: str, indent: int) -> list[Text]:
    """Return text as lines that fit the terminal. Elsewhere its lines stay as they are."""
    return [Text(" " * indent + line) for line in _lines(plain(text).split("\n"), indent)]


def _lines(lines: Iterable[str], indent: int) -> Iterator[str]:
    columns = _columns()
    for line in lines:
        wrapped = textwrap.wrap(line, max(NARROWEST, columns - indent), break_on_hyphens=False) if columns else [line]
        yield from wrapped or [""]


def _columns() -> int:
    """Return the width of the terminal; 0 where the output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or sys.stderr.isatty() else 0
