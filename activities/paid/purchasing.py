"""Makes one paid call of a model: recorded before it, streamed to the token log, saved before it is acknowledged."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

from temporalio import activity

from activities.authorization.rights import Rights
from activities.paid.bounded_usage import BoundedUsage, bound
from activities.paid.token_writer import ReportLost, TokenWriter
from activities.ports import (
    Caller,
    Catalogue,
    Completion,
    Model,
    Order,
    Paid,
    PaidReplies,
    PortError,
    Prompt,
    PromptTooLarge,
    Sampling,
    TokenLog,
    Usage,
    nothing_sent,
)
from activities.waiting import elapsed
from activities.waiting.until_stored import until_stored
from perdure.contracts.budget import Spend
from perdure.contracts.chains.spec import PricedDeployment, Prices
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Digest
from perdure.contracts.text import Text

DEFAULT_PRIORITY = 3
"""Temporal's default priority, of 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Paid]):
    """One paid call, and how its reply is read."""

    key: StepKey
    attempt: int
    question: Digest
    """The digest of the workflow's question, independent of the deployment and of the prompt's wording."""
    deployment: PricedDeployment
    prompt: Prompt
    sampling: Sampling
    worst: Spend
    """The reserved worst case. Its price is computed again, from the catalogue."""
    pinned: Digest | None = None
    """The digest of the spec in the request; None if the request names none."""
    read: Callable[[Completion], Paid]
    """Turns the model's completion into the step's reply. It must not fail: the money is spent by then."""
    stopped_reply: Paid
    """The reply of a call that was cancelled."""
    before: Sequence[bytes] = ()
    """The bodies that are stored with the record of the attempt, before the call."""
    texts: Callable[[Paid], Sequence[Text]] = lambda _: ()
    """Returns the texts of the reply whose bodies are stored with it."""
    visible: Callable[[str], str] | None = None
    """Returns the part of the partial reply that readers may see, which only ever grows. None if they see nothing."""
    visible_of_saved: Callable[[Paid], str] = lambda _: ""
    """Returns the part of a saved reply that readers may see."""
    gate: str | None = None
    """The gate of the token log that hides the reply until it is opened; None for no gate."""


ReportOverspent = Callable[[StepKey, Spend, Spend], None]
"""Reports a step that cost more than was reserved for it: its key, its cost, and the reserved amount."""


class Purchasing:
    """Buys replies of models for registered runs."""

    def __init__(
        self,
        model: Model,
        replies: PaidReplies,
        *,
        rights: Rights,
        catalogue: Catalogue,
        log: TokenLog,
        lost: ReportLost,
        overspent: ReportOverspent,
    ) -> None:
        """`lost` reports an attempt whose token log failed, without failing it; `overspent` raises an alert."""
        self._model = model
        self._replies = replies
        self._rights = rights
        self._catalogue = catalogue
        self._log = log
        self._lost = lost
        self._overspent = overspent

    async def buy(self, call: Call[Paid]) -> Paid:
        """Return the reply that was saved for this question, or buy one.

        If the run cancels the call, the provider's socket is closed, and the reply holds the least that it cost.
        Raises `NotThisRun` if the key names another run than the caller's, `PromptTooLarge`, `WindowSpent` if the run's
        account or the tenant's day does not cover the call, and the errors of the ports.
        """
        until = elapsed.elapsed() + elapsed.seconds_left()
        with nothing_sent():
            await self._rights.of(call.key, call.pinned)
            prices, window = self._catalogue.prices_of(call.deployment.name)
            order = Order(
                key=call.key,
                attempt=call.attempt,
                question=call.question,
                worst=_worst(call, prices),
                bodies=call.before,
            )
            _require_fitting(call, window)
            saved = await self._replies.begin(order, type(call.stopped_reply))
        if saved is not None:
            await self._write_saved(call, saved)
            return saved
        used: Usage | None = None
        caller = _caller(call)
        try:
            if call.visible is None:
                completion = await self._model.complete(
                    call.deployment.name, call.prompt, call.sampling, caller, _ignore_piece
                )
            else:
                content, written = "", ""
                async with self._writer(call) as write:

                    async def on_piece(text: str, so_far: Usage | None) -> None:
                        nonlocal content, written, used
                        content, used = content + text, so_far or used
                        visible = "" if call.visible is None else call.visible(content)
                        if visible.startswith(written) and visible != written:
                            await write(visible[len(written) :])
                            written = visible

                    completion = await self._model.complete(
                        call.deployment.name, call.prompt, call.sampling, caller, on_piece
                    )
        except PortError as error:
            if error.free_of_charge:
                # If the release fails, the amount stays reserved and nothing is overspent.
                with suppress(PortError):
                    await self._replies.give_back(order)
            raise
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker stops: the workflow tries again
            return call.stopped_reply.model_copy(
                update={"stopped": True, "charges": {call.attempt: _least_charge(prices, used, order.worst, window)}}
            )
        first = None if completion.first_token_ms is None else round(completion.first_token_ms, 1)
        reply = call.read(completion).model_copy(update={"first_token_ms": first})
        charge, notice = self._settled(call, completion.usage, order.worst, window, prices)
        if notice:
            reply = reply.model_copy(update={"notice": notice})
        return await until_stored(lambda: self._replies.save(order, reply, charge, call.texts(reply)), until)

    def _settled(
        self, call: Call[Paid], reported: Usage, worst: Spend, window: int, prices: Prices
    ) -> tuple[Spend, str]:
        """Return what a call cost, and the notice about it; an empty one where all is well."""
        used = bound(reported, worst, window)
        charge = _charge(prices, used)
        notices = [f"{call.deployment.name}: {used.notice}"] if used.notice else []
        if charge.less(worst) != Spend():
            self._overspent(call.key, charge, worst)
            notices.append(_overspent_notice(call.key, charge, worst))
        return charge, "; ".join(notices)

    def _writer(self, call: Call[Paid]) -> TokenWriter:
        return TokenWriter(self._log, call.key, call.attempt, call.gate, lost=self._lost)

    async def _write_saved(self, call: Call[Paid], saved: Paid) -> None:
        """Write a saved reply to the token log, for readers of this attempt."""
        if call.visible is not None:
            async with self._writer(call) as write:
                await write(call.visible_of_saved(saved))


def _caller(call: Call[Any]) -> Caller:
    """Return the caller with the run's priority and a request id that no other attempt has."""
    # Temporal reports 0 if no priority was set.
    priority = activity.info().priority.priority_key or DEFAULT_PRIORITY
    return Caller(call.key.tenant, f"{call.key.run_id}-{call.key.step}-{call.attempt}", priority)


async def _ignore_piece(_: str, __: Usage | None) -> None:
    """Ignore a piece of a reply without readers. It streams all the same, so that it can be cancelled."""


def _worst(call: Call[Any], prices: Prices) -> Spend:
    """Return the most that an attempt may cost: the tokens of the request, and a step and a price computed here."""
    tokens = {"input_tokens": call.worst.input_tokens, "output_tokens": call.sampling.max_output_tokens}
    return Spend(steps=1, micro_dollars=prices.of(**tokens), **tokens)


def _require_fitting(call: Call[Any], window: int) -> None:
    """Raise `PromptTooLarge` for a prompt that may have more tokens than are reserved.

    A prompt has at most one token for each byte. If the deployment's whole window is reserved, its server enforces the
    limit.
    """
    reserved, size = call.worst.input_tokens, _bytes(call.prompt)
    if size > reserved and reserved < window - call.sampling.max_output_tokens:
        raise PromptTooLarge(
            f"{call.key.step}: the prompt has {size:,} bytes, and {reserved:,} tokens are reserved for it: "
            "nothing was sent; reserve as many tokens as the texts have bytes"
        )


def _bytes(prompt: Prompt) -> int:
    """Return the bytes of all that a tokenizer reads, without those that a chat template adds."""
    contents = [message.content for message in prompt.messages]
    contents += [f"{call.name}{call.arguments}" for message in prompt.messages for call in message.tool_calls]
    contents += [f"{tool.name}{tool.description}{_compact(tool.parameters)}" for tool in prompt.tools]
    return sum(len(text.encode(errors="replace")) for text in contents)


def _compact(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _charge(prices: Prices, used: BoundedUsage) -> Spend:
    """Return the cost of a call."""
    tokens = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
    return Spend(steps=1, micro_dollars=prices.of(**tokens), **tokens)


def _least_charge(prices: Prices, used: Usage | None, worst: Spend, window: int) -> Spend:
    """Return the least that a call cost which was stopped: a step, and the usage that its server reported so far."""
    return Spend(steps=1) if used is None else _charge(prices, bound(used, worst, window))


def _overspent_notice(key: StepKey, charge: Spend, worst: Spend) -> str:
    """Return the notice in a run's result about a call that cost more than was reserved."""
    return (
        f"{key.step} cost more than was reserved for it: {charge.input_tokens} + {charge.output_tokens} tokens and "
        f"{charge.micro_dollars} micro-dollars, of {worst.input_tokens} + {worst.output_tokens} and "
        f"{worst.micro_dollars}: its model's server does not keep to the request"
    )
