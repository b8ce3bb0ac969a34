"""Decides by why a model's reply ended: it is used, bought once more with more room, or cannot be used at all. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from perdure.contracts.budget import Allowance, Spend
from perdure.contracts.chains.spec import Deployment
from perdure.contracts.chains.steps import PaidReply, Unusable
from perdure.contracts.runs.run import Abstained, Refused

LONGER = "-longer"
"""The end of the name of a step that buys a cut reply once more, with more room."""

GROWTH = 2
"""The most times the limit that the second reply may be long."""

SHARES = 4
"""The parts of the additional room that are tried, from all of it down to one, until the budget covers them."""


NO_ROOM = "the model's context window leaves no room for a longer one"
"""Why no second reply was tried, where the prompt fills the window."""

NO_REASON = "it gave no reason."
"""What stands for the words of a refusal that has none."""

NO_BUDGET = "the budget does not cover a longer one"
"""Why no second reply was tried, where it could cost too much."""


@dataclass(frozen=True)
class BuyLonger:
    """Buy the reply once more, of at most so many tokens: the first one was cut."""

    tokens: int


@dataclass(frozen=True)
class Limit:
    """The limit of a spec's replies, where it is enforced, and what a longer reply may cost."""

    spec: str
    """The spec's name."""
    tokens: int
    """`max_output_tokens` of the spec."""
    deployment: Deployment
    """The deployment of the first attempt."""
    worst: Callable[[int], Spend]
    """Returns the highest cost of a reply of so many tokens."""


def after(
    reply: PaidReply, limit: Limit, allowance: Allowance, now: datetime, *, longer: int = 0
) -> BuyLonger | Unusable | None:
    """Return what follows a reply: a longer one, or why there is none to use; None to use this one.

    `longer` is the limit of the reply where it is the second one already, else 0.
    """
    if is_whole(reply):
        return None
    if (unusable := refused(reply)) is not None or longer:
        return unusable or cut(limit.spec, limit.tokens, longer=longer)
    most = more_room(reply, limit.tokens, limit.deployment)
    if not most:
        return cut(limit.spec, limit.tokens, why=NO_ROOM)
    tokens = affordable(most, limit.tokens, limit.worst, allowance, now)
    return BuyLonger(tokens) if tokens else cut(limit.spec, limit.tokens, why=NO_BUDGET)


def refused(reply: PaidReply) -> Unusable | None:
    """Return why a reply cannot be used that the model refused or its provider withheld; None for any other reply.

    Nothing of such a reply counts, whatever else it holds: no answer, no call and no summary.
    """
    words = reply.refusal
    if reply.finish_reason == "prompt_filter":
        reason = f"The content filter of the model's provider refused the prompt: {words or NO_REASON}"
        return Unusable(by="provider", reason=reason, words=words)
    if reply.finish_reason == "content_filter":
        said = f" The model's words: {words}" if words else ""
        reason = f"The content filter of the model's provider withheld the reply (content_filter).{said}"
        return Unusable(by="provider", reason=reason, words=words)
    if reply.finish_reason == "refusal" or words:
        return Unusable(by="model", reason=f"The model refused: {words or NO_REASON}", words=words)
    return None


def without_words(unusable: Unusable, why: str) -> Unusable:
    """Return the same end without the words of the refusal, which a guard keeps back for this reason."""
    who = "The model" if unusable.by == "model" else "The content filter of the model's provider"
    return unusable.model_copy(update={"reason": f"{who} refused. Its words are not shown: {why}", "words": ""})


def is_cut(reply: PaidReply) -> bool:
    """Return whether a reply was cut at its limit of tokens: any part of it may be incomplete."""
    return reply.finish_reason == "length"


def is_whole(reply: PaidReply) -> bool:
    """Return whether the model ended the reply itself: only then may its calls be made and its answer be shown."""
    return refused(reply) is None and not is_cut(reply)


def more_room(reply: PaidReply, limit: int, deployment: Deployment) -> int:
    """Return the most tokens of a second reply after one was cut at `limit`; 0 where the window has no more room."""
    prompt = 0 if reply.charge is None else reply.charge.input_tokens
    most = min(GROWTH * limit, deployment.context_window - prompt)
    return most if most > limit else 0


def affordable(most: int, limit: int, worst: Callable[[int], Spend], allowance: Allowance, now: datetime) -> int:
    """Return the most tokens, up to `most` and above `limit`, that the budget covers for a second reply; 0 for none.

    `worst(tokens)` is the highest cost of a reply of so many tokens.
    """
    steps = (limit + (most - limit) * share // SHARES for share in range(SHARES, 0, -1))
    return next((size for size in steps if size > limit and allowance.shortfall(worst(size), now) is None), 0)


def cut(name: str, limit: int, *, longer: int = 0, why: str = "") -> Unusable:
    """Return why a reply of the spec `name` cannot be used that was cut at its limit, with the remedy.

    `longer` is the limit of the second reply; 0 where there was none, for the reason `why`.
    """
    again = f", and again at {longer}" if longer else f", and {why}" if why else ""
    reason = (
        f"The model's reply was cut at max_output_tokens = {limit}{again}. A cut reply is no answer, and none of its "
        f"calls is made: raise max_output_tokens of {name!r}."
    )
    return Unusable(by="limit", reason=reason)


def failed(reason: str) -> str:
    """Return why there is no second reply, where the attempt to buy it failed."""
    return f"a longer one could not be bought ({reason})"


def outcome_of(unusable: Unusable) -> Abstained | Refused:
    """Return the outcome of a run whose model gave no reply that can be used."""
    if unusable.by == "limit":
        return Abstained(reason=unusable.reason)
    return Refused(reason=unusable.reason, by=unusable.by)
