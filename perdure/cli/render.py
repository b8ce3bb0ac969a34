"""Runs as text for people: a line for each step, and the result."""

import json
from collections.abc import Sequence
from typing import assert_never

from rich.text import Text

from perdure.cli.output import Output, one_line, plain
from perdure.contracts.budget import Charged, Spend, cost_text, dollars
from perdure.contracts.chains.knowledge import Citation
from perdure.contracts.guards import Verdict
from perdure.contracts.runs.run import (
    Abstained,
    Answered,
    Cancelled,
    Exhausted,
    Extracted,
    FailedRun,
    Outcome,
    Refused,
    RunResult,
    Stuck,
    Unfinished,
)
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.tool_calls.writes import Write, WriteState

STYLES = {
    EntryState.RUNNING: "dim",
    EntryState.DONE: "",
    EntryState.FAILED: "red",
    EntryState.CANCELLED: "yellow",
}

ALWAYS = {EntryKind.WAITS, EntryKind.STUCK, EntryKind.PERSON}
"""The kinds whose beginning is shown as well. For all other kinds the end is enough."""


def entry_lines(entry: TimelineEntry, *, every_guard: bool = False) -> list[Text]:
    """Return a timeline entry as lines; none for an entry that a reader does not need."""
    if entry.kind is EntryKind.PHASE or (entry.state is EntryState.RUNNING and entry.kind not in ALWAYS):
        return []
    return [_line(entry), *(_verdict(verdict) for verdict in entry.verdicts if every_guard or not verdict.passed)]


def _line(entry: TimelineEntry) -> Text:
    attempt = f"attempt {entry.attempt}" if (entry.attempt or 1) > 1 and "attempt" not in entry.summary else ""
    name = entry.name if entry.kind is not EntryKind.ENDED else f"= {entry.name}"
    parts = [entry.summary, attempt, entry.found]
    if entry.kind is EntryKind.PERSON and entry.state is EntryState.RUNNING:
        parts.append("(received)")
    if entry.spent is not None and entry.spent != Spend():
        parts.append(spent(entry.spent))
    if entry.milliseconds is not None:
        parts.append(f"{entry.milliseconds / 1000:.2f} s")
    words = "  ".join(one_line(part, 300) for part in parts if part)
    return Text(f"{entry.at:%H:%M:%S}  {plain(name):<13} {words}".rstrip(), style=_style(entry))


def _style(entry: TimelineEntry) -> str:
    match entry.kind:
        case EntryKind.PERSON if entry.state is EntryState.RUNNING:
            return "dim"
        case EntryKind.WAITS if entry.state is EntryState.RUNNING:
            return "yellow"
        case EntryKind.PERSON if entry.state is EntryState.DONE:
            return "cyan"
        case EntryKind.ENDED if entry.state is EntryState.DONE:
            return "bold"
        case _:
            return STYLES[entry.state]


def _verdict(verdict: Verdict) -> Text:
    reason = one_line(verdict.reason, 300) or "passed"
    action = "" if verdict.passed else f"{verdict.action.value}: "
    return Text(f"{'':10}guard {verdict.guard}  {action}{reason}", style="dim" if verdict.passed else "yellow")


def spent(spend: Spend) -> str:
    """Return a spend in a few words."""
    return cost_text(spend) if spend.input_tokens or spend.output_tokens else dollars(spend.micro_dollars)


def result(out: Output, run_result: RunResult, link: str) -> None:
    """Print the result of a run: the answer to standard output, everything about it to standard error."""
    _outcome(out, run_result.outcome)
    out.note(*writes(run_result.writes, run_result.more_writes))
    out.note(*(f"notice   {notice}" for notice in run_result.notices))
    out.note(*_spent(run_result.spent, run_result.unsettled, run_result.account), Text(f"run      {link}", style="dim"))


def failed(out: Output, how: FailedRun, run: str, *, tenant: str) -> None:
    """Print the spend of a failed run, its writes with an unknown outcome, and what to do."""
    out.note(*(Text(f"- {one_line(each, 500)}: look at the other side first", style="yellow") for each in how.unknown))
    out.note(*writes(how.writes, how.more_writes))
    whose = "" if tenant == "default" else f" --tenant {tenant}"
    anew = "   or start it again under another id: it wrote nothing" if how.repeatable else ""
    out.note(*_spent(how.spent, how.unsettled, how.account), f"mend it, then: perdure retry {run}{whose}{anew}")


WRITE_STYLES = {WriteState.DONE: "green", WriteState.UNKNOWN: "red", WriteState.NOT_ATTEMPTED: "dim"}
"""The style of a write by what became of it; yellow for the others."""


def writes(done: Sequence[Write], more: int) -> list[Text]:
    """Return a line for each write of a run: what became of it, its call, its arguments and its result."""
    lines = [Text(f"writes   {more} earlier ones", style="dim")] if more else []
    for write in done:
        who = f" by {write.by}" if write.by else ""
        state = f"{write.state.value.replace('_', ' ')}{who}{'' if write.step else ', but required'}"
        came = f"-> {write.came}" if write.came else ""
        parts = (part for part in (write.tool, write.step, write.arguments, came) if part)
        line = one_line(f"{state}: {' '.join(parts)}", 300)
        lines.append(Text(f"write    {line}", style=WRITE_STYLES.get(write.state, "yellow")))
    return lines


def _spent(settled: Spend, unknown: Spend, account: Charged | None) -> list[Text]:
    lines = [f"spent    {_charged(settled, unknown)}"]
    if account is not None:
        whole = _charged(account.settled, account.reserved)
        lines.append(f"account  {whole}: the whole run, what was before a reset included")
    return [Text(line, style="dim") for line in lines]


def _charged(settled: Spend, unknown: Spend) -> str:
    unsettled = f", and {spent(unknown)} at most unknown" if unknown != Spend() else ""
    calls = f", {settled.tool_calls} calls of tools" if settled.tool_calls else ""
    return f"{spent(settled)}{calls}{unsettled}"


def _outcome(out: Output, outcome: Outcome) -> None:
    match outcome:
        case Answered(answer=answer, citations=citations):
            out.answer(answer.body if answer.body is not None else f"(an answer of {answer.tokens:,} bytes)")
            out.note(*(line for citation in citations for line in _citation(citation)))
        case Extracted(record=record, losses=losses):
            out.answer(json.dumps(dict(record.values()), ensure_ascii=False, default=str))
            out.note(*(f"not read of the document: {loss}" for loss in losses))
        case Abstained(reason=reason, citations=citations):
            out.note(f"abstained: {reason}", *(line for citation in citations for line in _citation(citation)))
        case Refused(reason=reason, reasons=reasons):
            out.note(f"refused: {reason}", *(f"- {each}" for each in reasons))
        case Exhausted(reason=reason):
            out.note(f"exhausted: {reason}")
        case Stuck(repeated=repeated, reason=reason):
            shown = f"{repeated.tool} {repeated.arguments}"
            out.note(f"stuck: {reason}", f"- {one_line(shown, 200)}: {', '.join(repeated.steps)}")
        case Unfinished(answer=answer, reason=reason):
            words = "" if answer is None or answer.body is None else answer.body
            out.note(f"unfinished: {reason}", *([f"its last words: {one_line(words, 500)}"] if words else []))
        case Cancelled(phase=phase, unknown=unknown):
            out.note(f"cancelled while {phase.value}", *(f"- {each}" for each in unknown))
        case never:
            assert_never(never)


def _citation(citation: Citation) -> list[str]:
    edition = citation.edition
    cites = "replaced" if citation.superseded else "cites"
    return [f'{cites:<8} {edition.title} ({edition.document}, version {edition.version}): "{citation.quote}"']
