"""The replies of effects in a few words: names and numbers, never the text of a model or a tool."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from perdure.contracts.budget import Spend
from perdure.contracts.guards import Verdict
from perdure.contracts.tool_calls.outcome import USUAL
from perdure.history.payloads import part


def charges_of(reply: Any) -> dict[int, Spend]:
    """Return the known cost by attempt number; empty where a reply reports none."""
    charges = part(reply, "charges")
    if not isinstance(charges, dict):
        return {}
    try:
        return {int(attempt): Spend.model_validate(spend) for attempt, spend in charges.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    except (ValueError, ValidationError):
        return {}


def verdicts_of(reply: Any) -> tuple[Verdict, ...]:
    """Return the verdicts of guards in a reply; empty where it holds none."""
    verdicts = part(reply, "verdicts")
    if not isinstance(verdicts, list):
        return ()
    try:
        return tuple(Verdict.model_validate(verdict) for verdict in verdicts)  # pyright: ignore[reportUnknownVariableType] - JSON
    except ValidationError:
        return ()


def result_in_words(effect: str, reply: Any) -> str:
    """Return the result of an effect in a few words; empty for an effect without such words."""
    words = _WORDS.get(effect)
    return "" if words is None else words(reply)


def _screened_call(reply: Any) -> str:
    refused = part(reply, "rejected", "ended")
    return f"not called: {refused}" if refused else str(part(reply, "problem") or "can be called")


def _settled(reply: Any) -> str:
    refused = part(reply, "refused")
    return f"changes nothing: {refused}" if refused else ""


def _deployment(reply: Any) -> str:
    return str(part(reply, "deployment", "name") or "")


def _generated(reply: Any) -> str:
    model = _model(reply)
    return f"{model} finds no answer" if part(reply, "answer") is None else f"{model} answers"


def _validated(reply: Any) -> str:
    wrong = len(_items(reply, "problems"))
    return f"{wrong} problems" if wrong else "everything holds"


def _model(reply: Any) -> str:
    return str(part(reply, "model") or "a model")


UNUSED = {
    "length": "was cut",
    "content_filter": "was withheld by its provider's filter",
    "prompt_filter": "was withheld, since its provider's filter refused the prompt",
    "refusal": "is a refusal",
}
"""The ends of replies that are not used, with the words for each."""


def _thought(reply: Any) -> str:
    ended = UNUSED.get(str(part(reply, "finish_reason")))
    if ended is not None:
        return f"the reply of {_model(reply)} {ended}"
    tools = [str(part(call, "tool") or "?") for call in _items(reply, "calls")]
    move = f"asks for {', '.join(tools)}" if tools else "answers" if part(reply, "answer") else "says nothing"
    return f"{_model(reply)} {move}"


def _acted(reply: Any) -> str:
    match part(reply, "came", "kind"):
        case "answered":
            outcome = part(reply, "came", "outcome")
            ended, happened = (part(outcome, field) or usual for field, usual in USUAL.items())
            return f"{ended}, {part(outcome, 'size') or 0:,} bytes" if happened != "unknown" else f"{ended}, unknown"
        case "again":
            return f"nothing is known yet: {part(reply, 'came', 'reason')}"
        case "ask_person":
            return f"nobody knows whether it happened: {part(reply, 'came', 'reason')}"
        case _:
            return "stopped" if part(reply, "stopped") else ""


def _items(reply: Any, name: str) -> list[Any]:
    items = part(reply, name)
    return list(items) if isinstance(items, list) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


_WORDS: dict[str, Callable[[Any], str]] = {
    "think": _thought,
    "compact": lambda reply: f"{_model(reply)} sums up {part(reply, 'turns') or 0} turns",
    "act": _acted,
    "screen_call": _screened_call,
    "settle_call": _settled,
    "retrieve": lambda reply: f"{len(_items(reply, 'passages'))} passages",
    "route": _deployment,
    "pin_agent": _deployment,
    "generate": _generated,
    "extract": _model,
    "validate": _validated,
}
