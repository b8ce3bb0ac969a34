"""When an agent's older turns are summed up, and up to where: what is known of the model's window decides. Pure.

A body's bound is its bytes, about four times its tokens, and a window that is counted so is full long before it is. So
the server's own count of each prompt is kept, and what came since is reckoned as densely as what was counted before.
"""

from perdure.contracts.agents.agent import AgentRun
from perdure.contracts.agents.compaction import Compacted, Compaction, Mark, Window
from perdure.contracts.agents.steps import Thought
from perdure.contracts.agents.transcript import Role, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import Deployment

PROMPT_FRAME = 1024
"""Tokens. What the chat template and the words around tools add to a prompt at most."""

TURN_FRAME = 64
"""Tokens. What a chat template adds around one turn at most."""

SUMMARY_FRAME = 512
"""Tokens. What the words around a summary, or around the turns that are to be summed up, add at most."""

MARKER = 10
"""Tokens. What stands before a turn that is to be summed up takes so much more than a chat template's own words do."""

LEAST_DENSITY = 300
"""Tokens of a thousand bytes that are reckoned with at least: numbers and code are denser than most of a talk."""

LEAST_GAIN = 4
"""A summary takes away at least this part of the room, as its divisor, unless nothing else would do."""

LONGEST_REST = 32
"""Thoughts between two attempts to sum up, where the model keeps writing nothing."""

MARKS = 8
"""Places at which a conversation can be cut that are remembered: as many thoughts are kept word for word at most."""


def bound(run: AgentRun) -> int:
    """Tokens that the next thought's prompt takes at most, whatever tokenizer reads it."""
    fixed = PROMPT_FRAME + run.spec.instructions.tokens + run.pinned.tokens
    return fixed + run.transcript.tokens + TURN_FRAME * run.transcript.turns


def at_most(run: AgentRun, window: Window) -> int:
    """The same, from the newest prompt that the server has counted."""
    return min(bound(run), window.newest.prompt + _since(run, window.newest))


def likely(run: AgentRun, window: Window) -> int:
    """Tokens of the next thought's prompt, where what is not counted yet is about as dense as what was before it."""
    return min(bound(run), window.newest.prompt + _estimated(run, window))


def is_sure_to_fit(run: AgentRun) -> bool:
    """Whether the next thought finds room, however dense its newest turns are."""
    how, window = run.spec.compaction, run.window
    return how is None or window is None or at_most(run, window) + run.spec.max_output_tokens <= _room(run, how)


def fits(run: AgentRun) -> bool:
    """Whether the next thought is expected to find room."""
    how, window = run.spec.compaction, run.window
    return how is None or window is None or likely(run, window) + run.spec.max_output_tokens <= _room(run, how)


def cut(run: AgentRun) -> Mark | None:
    """Where the conversation is cut before the next thought; None where it fits, or where no summary would help.

    As much as fills half of the room stays word for word. A summary is only bought where the thought after it is
    expected to fit, where it takes a good part of the room away, and where the request for it finds room itself. With a
    smaller gain the next thoughts would each need another one: where the window itself still has room, the thought
    comes first. Each summary takes marks away and makes the prompt smaller, so a thought comes next in the end.
    """
    how, window = run.spec.compaction, run.window
    if how is None or window is None or window.rest or fits(run):
        return None
    most, floor = run.deployment.context_window, _floor(window, how)
    pressing = likely(run, window) + run.spec.max_output_tokens > most
    room, gain = (most, 1) if pressing else (_room(run, how), _room(run, how) // LEAST_GAIN)
    after = {mark: _after(run, window, floor, mark) + run.spec.max_output_tokens for mark in window.marks}
    able = [
        mark
        for mark in window.marks
        if mark.prompt - floor >= gain
        and after[mark] <= room
        and _request(window, how, mark) + how.tokens <= run.deployment.context_window
    ]
    roomy = (mark for mark in able if after[mark] <= _room(run, how) // 2)
    return next(roomy, able[-1] if able else None)


def worst(run: AgentRun, mark: Mark, deployment: Deployment) -> Spend:
    """What one attempt to sum up what is before the mark may cost at most at a deployment."""
    how = _how(run)
    prompt = PROMPT_FRAME + SUMMARY_FRAME + how.instructions.tokens + mark.tokens + TURN_FRAME * mark.turns
    room = max(0, deployment.context_window - how.tokens)
    return deployment.worst_case(input_tokens=min(prompt, room), output_tokens=how.tokens)


def needed(run: AgentRun) -> int | None:
    """Tokens that the next thought is expected to take, its reply among them; None before the first was counted.

    A deployment with less room would refuse it for good, where the one that has just failed may be well in a moment.
    """
    return None if run.window is None else likely(run, run.window) + run.spec.max_output_tokens


def needed_for(run: AgentRun, mark: Mark) -> int:
    """Tokens that a summary of what is before the mark takes at most, itself among them."""
    how = _how(run)
    return _request(_window(run), how, mark) + how.tokens


def noted(run: AgentRun, reply: Thought) -> Window | None:
    """What the window is known to hold, now that a thought's prompt was counted. `run` is as it was asked."""
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
    known, is_counted = run.window, counted > 0
    if known is None:
        return Window(opening=mark, floor=mark, counted=is_counted)
    density = known.density
    if known.counted and is_counted and mark.prompt > known.newest.prompt:
        density = _density(density, mark.prompt - known.newest.prompt, _since(run, known.newest))
    marks = (*known.marks, mark)[-MARKS:]
    return known.model_copy(
        update={"marks": marks, "counted": is_counted, "density": density, "rest": max(0, known.rest - 1)}
    )


def compacted(run: AgentRun, mark: Mark, reply: Compacted) -> AgentRun:
    """The summary joins the transcript, and stands in prompts for what is before the mark.

    An empty one does not: nothing would be known of the turns any more. They stay, and thoughts come next, twice as
    many before each further attempt: a model that writes no summaries is not asked for one at every thought.
    """
    how, window, body = _how(run), _window(run), reply.summary
    if reply.empty:
        rest = min(LONGEST_REST, 2 ** (window.empty + 1))
        return run.model_copy(
            update={
                "transcript": run.transcript.kept(),
                "window": window.model_copy(update={"empty": window.empty + 1, "rest": rest}),
                "compactions": run.compactions + 1,
                "attempted": 0,
            }
        )
    turn = Turn(role=Role.SUMMARY, body=body, covers=mark.link, opening=window.opening.link)
    written = 0 if reply.charge is None else reply.charge.output_tokens
    size = min(body.tokens, SUMMARY_FRAME + (written or how.tokens)) + TURN_FRAME
    floor = Mark(
        link=mark.link,
        tokens=window.opening.tokens + body.tokens,
        turns=window.opening.turns + 1,
        prompt=window.opening.prompt + size,
    )
    later = tuple(_moved(one, mark, floor) for one in window.marks if one.turns > mark.turns)
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
        }
    )


def _room(run: AgentRun, how: Compaction) -> int:
    return int(run.deployment.context_window * how.at)


def _since(run: AgentRun, mark: Mark) -> int:
    """Tokens of what came after the mark at most."""
    now = run.transcript
    return now.tokens - mark.tokens + TURN_FRAME * (now.turns - mark.turns)


def _estimated(run: AgentRun, window: Window) -> int:
    """Tokens of what came after the newest prompt: a quarter more than by the density that is known."""
    most = _since(run, window.newest)
    if window.density is None:
        return most
    return min(most, most * max(LEAST_DENSITY, window.density * 5 // 4) // 1000 + 1)


def _density(before: int | None, counted: int, most: int) -> int:
    """Tokens for a thousand that there might be. A dense turn raises it at once, others lower it little by little."""
    found = min(1000, counted * 1000 // max(1, most) + 1)
    return found if before is None else max(found, (3 * before + found) // 4)


def _after(run: AgentRun, window: Window, floor: int, mark: Mark) -> int:
    """Tokens of the next thought's prompt, once what is before the mark is summed up, as `likely` will have it."""
    return floor + max(0, window.newest.prompt - mark.prompt) + _estimated(run, window)


def _floor(window: Window, how: Compaction) -> int:
    """Tokens of the fixed beginning, the task and a new summary at most."""
    return window.opening.prompt + how.tokens + SUMMARY_FRAME + TURN_FRAME


def _request(window: Window, how: Compaction, mark: Mark) -> int:
    """Tokens of the request for a summary of what is before the mark at most.

    It shows what the prompt there did, without the fixed beginning: of that at least so much is known.
    """
    opening = window.opening
    fixed = max(0, opening.prompt - opening.tokens - TURN_FRAME * opening.turns)
    shown = min(mark.prompt - fixed + MARKER * mark.turns, mark.tokens + TURN_FRAME * mark.turns)
    return shown + how.instructions.tokens + SUMMARY_FRAME


def _moved(mark: Mark, before: Mark, after: Mark) -> Mark:
    """The mark, once what was before another one is shown as something shorter."""
    return Mark(
        link=mark.link,
        tokens=mark.tokens - before.tokens + after.tokens,
        turns=mark.turns - before.turns + after.turns,
        prompt=max(after.prompt, mark.prompt - before.prompt + after.prompt),
    )


def _how(run: AgentRun) -> Compaction:
    if run.spec.compaction is None:
        raise ValueError("nothing is said of summaries in this run's spec")
    return run.spec.compaction


def _window(run: AgentRun) -> Window:
    if run.window is None:
        raise ValueError("there is nothing to sum up before the first thought")
    return run.window
