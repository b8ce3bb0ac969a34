"""Decides when an agent's older turns are summarized, and up to which turn, from the use of the context window. Pure.

The sure bound of a text's tokens is its bytes, about four times the real number: by that a window would seem full far
too early. So the run stores the server's count of each prompt, and estimates later turns by the density of earlier
ones.
"""

from datetime import datetime

from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.agents.compaction import Compacted, Compaction, Mark, Window
from perdure.contracts.agents.steps import Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from workflows.state_machines import ending

PROMPT_FRAME = 1024
"""The most tokens that the chat template and the text around tools add to a prompt."""

TURN_FRAME = 64
"""The most tokens that a chat template adds around one turn."""

SUMMARY_FRAME = 512
"""The most tokens that the text around a summary, or around the turns to summarize, adds."""

MARKER = 10
"""The tokens by which the marker of a turn to summarize is longer than a chat template's own text around it."""

LEAST_DENSITY = 300
"""The least density of an estimate, in tokens of a thousand bytes: numbers and code are denser than prose."""

LEAST_GAIN = 4
"""The divisor of the room that gives the least gain of a summary, except where the window itself is full."""

LONGEST_REST = 32
"""The most thoughts between two summaries, where the model keeps writing empty ones."""

MARKS = 8
"""The most places for a cut that are stored: so many of the newest thoughts can stay word for word."""


def bound(run: AgentRun) -> int:
    """Return the most tokens that the next thought's prompt can take with any tokenizer."""
    fixed = PROMPT_FRAME + run.spec.instructions.tokens + run.pinned.tokens
    return fixed + run.transcript.tokens + TURN_FRAME * run.transcript.turns


def at_most(run: AgentRun, window: Window) -> int:
    """Return the most tokens of the next thought's prompt, given the server's count of the newest prompt."""
    return min(bound(run), window.newest.prompt + _since(run, window.newest))


def likely(run: AgentRun, window: Window) -> int:
    """Return the expected tokens of the next thought's prompt: uncounted turns are taken as dense as earlier ones."""
    return min(bound(run), window.newest.prompt + _estimated(run, window))


def is_sure_to_fit(run: AgentRun) -> bool:
    """Return whether the next thought surely fits the window, however dense its newest turns are."""
    how, window = run.spec.compaction, run.window
    return how is None or window is None or at_most(run, window) + run.spec.max_output_tokens <= _room(run, how)


def fits(run: AgentRun) -> bool:
    """Return whether the next thought is expected to fit the window."""
    how, window = run.spec.compaction, run.window
    return how is None or window is None or likely(run, window) + run.spec.max_output_tokens <= _room(run, how)


def cut(run: AgentRun) -> Mark | None:
    """Return where to cut the conversation before the next thought; None where it fits, or no summary would help.

    The turns after the cut stay word for word: up to half of the room. A summary is only bought where the thought after
    it is expected to fit, where it frees at least a quarter of the room, and where its own request fits. With a smaller
    gain each of the next thoughts would need another summary: while the window has room, the thought comes first. Each
    summary removes marks and shortens the prompt, so in the end a thought follows.
    """
    how, window = run.spec.compaction, run.window
    if how is None or window is None or window.rest or fits(run):
        return None
    most, floor = run.deployment.context_window, _floor(window, how)
    pressing = likely(run, window) + run.spec.max_output_tokens > most
    room, gain = (most, 1) if pressing else (_room(run, how), _room(run, how) // LEAST_GAIN)
    after = {mark: _after(run, window, floor, mark) + run.spec.max_output_tokens for mark in window.marks}
    possible = [
        mark
        for mark in window.marks
        if mark.prompt - floor >= gain
        and after[mark] <= room
        and _request(window, how, mark) + how.tokens <= run.deployment.context_window
    ]
    roomy = (mark for mark in possible if after[mark] <= _room(run, how) // 2)
    return next(roomy, possible[-1] if possible else None)


def worst(run: AgentRun, mark: Mark, deployment: Deployment) -> Spend:
    """Return the most that a summary of the turns before the mark may cost at a deployment."""
    how = _how(run)
    reply = run.longer or how.tokens
    prompt = PROMPT_FRAME + SUMMARY_FRAME + how.instructions.tokens + mark.tokens + TURN_FRAME * mark.turns
    room = max(0, deployment.context_window - reply)
    return deployment.worst_case(input_tokens=min(prompt, room), output_tokens=reply)


def affordable(run: AgentRun, mark: Mark, allowance: Allowance, now: datetime) -> int:
    """Return the most tokens that the budget covers for a second summary, after one was cut; 0 for none."""
    return ending.affordable(
        run.longer,
        _how(run).tokens,
        lambda tokens: worst(run.model_copy(update={"longer": tokens}), mark, run.deployment),
        allowance,
        now,
    )


def needed(run: AgentRun) -> int | None:
    """Return the expected tokens of the next thought and its reply; None before the first count.

    A deployment with a smaller window would refuse the thought for good, while the one that failed may soon recover.
    """
    return None if run.window is None else likely(run, run.window) + (run.longer or run.spec.max_output_tokens)


def needed_for(run: AgentRun, mark: Mark) -> int:
    """Return the most tokens that the request for a summary and the summary take, for the turns before the mark."""
    how = _how(run)
    return _request(_window(run), how, mark) + (run.longer or how.tokens)


def window_after(run: AgentRun, reply: Thought) -> Window | None:
    """Return the window after a thought, with the count of its prompt. `run` is the run before the thought."""
    link = run.transcript.head
    if run.spec.compaction is None or link is None:
        return run.window
    counted = 0 if reply.charge is None else reply.charge.input_tokens
    mark = Mark(
        link=link,
        tokens=run.transcript.tokens,
        turns=run.transcript.turns,
        prompt=min(bound(run), counted or bound(run)),
    )
    before, is_counted = run.window, counted > 0
    if before is None:
        return Window(opening=mark, floor=mark, counted=is_counted)
    density = before.density
    if before.counted and is_counted and mark.prompt > before.newest.prompt:
        density = _density(density, mark.prompt - before.newest.prompt, _since(run, before.newest))
    marks = (*before.marks, mark)[-MARKS:]
    return before.model_copy(
        update={"marks": marks, "counted": is_counted, "density": density, "rest": max(0, before.rest - 1)}
    )


def compacted(run: AgentRun, mark: Mark, reply: Compacted) -> AgentRun:
    """Return the run after a summary, which replaces the turns before the mark in prompts.

    A summary that is empty, cut, refused or withheld replaces nothing, or those turns would be lost. One that was cut
    is bought once more with more room.
    """
    how, window, body = _how(run), _window(run), reply.summary
    if ending.is_cut(reply) and not run.longer and (longer := ending.more_room(reply, how.tokens, run.deployment)):
        return run.model_copy(update={"transcript": run.transcript.kept(), "longer": longer, "attempted": 0})
    if reply.empty or not ending.is_whole(reply):
        return without_summary(run)
    turn = Turn(role=Role.SUMMARY, body=body, covers=mark.link, opening=window.opening.link)
    written = 0 if reply.charge is None else reply.charge.output_tokens
    size = min(body.tokens, SUMMARY_FRAME + (written or how.tokens)) + TURN_FRAME
    floor = Mark(
        link=mark.link,
        tokens=window.opening.tokens + body.tokens,
        turns=window.opening.turns + 1,
        prompt=window.opening.prompt + size,
    )
    later = tuple(_moved(other, mark, floor) for other in window.marks if other.turns > mark.turns)
    shown = run.transcript
    transcript = shown.kept().add(turn)
    return run.model_copy(
        update={
            "transcript": transcript.showing(
                shown.tokens - mark.tokens + floor.tokens, shown.turns - mark.turns + floor.turns
            ),
            "window": Window(opening=window.opening, floor=floor, marks=later, density=window.density),
            "compactions": run.compactions + 1,
            "attempted": 0,
            "longer": 0,
        }
    )


def without_summary(run: AgentRun) -> AgentRun:
    """Return the run after a summary that cannot be used: the older turns stay as they are.

    The next attempt comes after some thoughts, twice as many each time: a model that writes no summaries is not asked
    for one at every thought.
    """
    window = _window(run)
    rest = min(LONGEST_REST, 2 ** (window.empty + 1))
    return run.model_copy(
        update={
            "transcript": run.transcript.kept(),
            "window": window.model_copy(update={"empty": window.empty + 1, "rest": rest}),
            "compactions": run.compactions + 1,
            "attempted": 0,
            "longer": 0,
        }
    )


def why_unused(run: AgentRun, reply: Compacted) -> str | None:
    """Return why a summary is not used, for a reader of the result; None where it is, or is bought once more.

    `run` is the run before the summary.
    """
    if (refused := ending.refused(reply)) is not None:
        return refused.reason
    if ending.is_cut(reply):
        how = _how(run)
        again = f", and again at {run.longer}" if run.longer else ""
        is_final = run.longer or not ending.more_room(reply, how.tokens, run.deployment)
        cut = f"it was cut at compaction.tokens = {how.tokens}{again}: raise it"
        return cut if is_final else None
    return "the model wrote none" if reply.empty else None


def _room(run: AgentRun, how: Compaction) -> int:
    """Return the tokens of the window that may be used before older turns are summarized."""
    return int(run.deployment.context_window * how.at)


def _since(run: AgentRun, mark: Mark) -> int:
    """Return the most tokens of the turns after the mark."""
    now = run.transcript
    return now.tokens - mark.tokens + TURN_FRAME * (now.turns - mark.turns)


def _estimated(run: AgentRun, window: Window) -> int:
    """Return the expected tokens of the turns after the newest prompt: a quarter above the known density."""
    most = _since(run, window.newest)
    if window.density is None:
        return most
    return min(most, most * max(LEAST_DENSITY, window.density * 5 // 4) // 1000 + 1)


def _density(before: int | None, counted: int, most: int) -> int:
    """Return the new density, in tokens of a thousand bytes. A dense turn raises it at once, others lower it slowly."""
    newest = min(1000, counted * 1000 // max(1, most) + 1)
    return newest if before is None else max(newest, (3 * before + newest) // 4)


def _after(run: AgentRun, window: Window, floor: int, mark: Mark) -> int:
    """Return the expected tokens of the next thought's prompt, once the turns before the mark are summarized."""
    return floor + max(0, window.newest.prompt - mark.prompt) + _estimated(run, window)


def _floor(window: Window, how: Compaction) -> int:
    """Return the most tokens of the fixed part of a prompt, the task and a new summary."""
    return window.opening.prompt + how.tokens + SUMMARY_FRAME + TURN_FRAME


def _request(window: Window, how: Compaction, mark: Mark) -> int:
    """Return the most tokens of the request for a summary of the turns before the mark.

    The request holds the prompt at the mark without its fixed part, of which `fixed` is a lower bound.
    """
    opening = window.opening
    fixed = max(0, opening.prompt - opening.tokens - TURN_FRAME * opening.turns)
    shown = min(mark.prompt - fixed + MARKER * mark.turns, mark.tokens + TURN_FRAME * mark.turns)
    return shown + how.instructions.tokens + SUMMARY_FRAME


def _moved(mark: Mark, before: Mark, after: Mark) -> Mark:
    """Return the mark after the turns before an earlier mark were replaced by a summary."""
    return Mark(
        link=mark.link,
        tokens=mark.tokens - before.tokens + after.tokens,
        turns=mark.turns - before.turns + after.turns,
        prompt=max(after.prompt, mark.prompt - before.prompt + after.prompt),
    )


def _how(run: AgentRun) -> Compaction:
    """Return the compaction settings of a run. Raises `ValueError` where its spec has none."""
    if run.spec.compaction is None:
        raise ValueError("the run's spec has no compaction settings")
    return run.spec.compaction


def _window(run: AgentRun) -> Window:
    """Return the window of a run. Raises `ValueError` before the first thought."""
    if run.window is None:
        raise ValueError("there is nothing to sum up before the first thought")
    return run.window
