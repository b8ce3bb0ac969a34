"""One paid call of a model: recorded before it is made, told while it is written, saved before it is acknowledged."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic

from temporalio import activity

from activities.authorization.rights import Rights
from activities.paid.token_writer import Lost, TokenWriter
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
"""Temporal's, of 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Paid]):
    """What is bought, and how its reply is read."""

    key: StepKey
    attempt: int
    question: Digest
    """Of what the workflow asks, whichever deployment it asks and however the request is written."""
    deployment: PricedDeployment
    prompt: Prompt
    sampling: Sampling
    worst: Spend
    """What the workflow has reserved for it. Its money is computed anew, from the catalogue's prices."""
    pinned: Digest | None = None
    """The spec that the request names; None where it names none."""
    read: Callable[[Completion], Paid]
    """The step's reply from what the model said. It must not fail: the money is spent by then."""
    silent: Paid
    """The reply of a call that was called off."""
    before: Sequence[bytes] = ()
    """Bodies that are stored with the record of the attempt, before the call."""
    texts: Callable[[Paid], Sequence[Text]] = lambda _: ()
    """The texts of the reply whose bodies are to be stored."""
    shown: Callable[[str], str] | None = None
    """What of the words so far people who wait are shown; each text begins with the one before. None for nothing."""
    retold: Callable[[Paid], str] = lambda _: ""
    """What they are shown of a reply that was saved before."""
    gate: str | None = None
    """What must be open before they are shown anything."""


Overspent = Callable[[StepKey, Spend, Spend], None]
"""Hears which step cost more than was reserved for it: what it cost, and what was reserved."""


class Purchasing:
    """Buys from a model, for registered runs."""

    def __init__(
        self,
        model: Model,
        replies: PaidReplies,
        *,
        rights: Rights,
        catalogue: Catalogue,
        log: TokenLog,
        lost: Lost,
        overspent: Overspent,
    ) -> None:
        """`lost` hears that an attempt's log failed, which is all that comes of it; `overspent` raises an alert."""
        self._model = model
        self._replies = replies
        self._rights = rights
        self._catalogue = catalogue
        self._log = log
        self._lost = lost
        self._overspent = overspent

    async def buy(self, call: Call[Paid]) -> Paid:
        """The reply that was saved for this question, or one that is bought now.

        Where the run calls it off, the provider's socket closes, and the reply says what the call cost at least. Raises
        `NotThisRun` where another run asks than the key names, `PromptTooLarge`, `WindowSpent` where the run's account
        or the tenant's day does not cover the call, and as the ports do.
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
            saved = await self._replies.begin(order, type(call.silent))
        if saved is not None:
            await self._retell(call, saved)
            return saved
        used: Usage | None = None
        caller = _caller(call)
        try:
            if call.shown is None:
                completion = await self._model.complete(
                    call.deployment.name, call.prompt, call.sampling, caller, _unheard
                )
            else:
                content, told = "", ""
                async with self._writer(call) as say:

                    async def hear(text: str, so_far: Usage | None) -> None:
                        nonlocal content, told, used
                        content, used = content + text, so_far or used
                        shown = "" if call.shown is None else call.shown(content)
                        if shown.startswith(told) and shown != told:
                            await say(shown[len(told) :])
                            told = shown

                    completion = await self._model.complete(
                        call.deployment.name, call.prompt, call.sampling, caller, hear
                    )
        except PortError as error:
            if error.free_of_charge:
                # Where that fails it stays reserved, and nothing is overspent.
                with suppress(PortError):
                    await self._replies.give_back(order)
            raise
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker stops: the workflow tries again
            return call.silent.model_copy(update={"stopped": True, "charges": {call.attempt: _charge(prices, used)}})
        first = None if completion.first_token_ms is None else round(completion.first_token_ms, 1)
        reply = call.read(completion).model_copy(update={"first_token_ms": first})
        charge = _charge(prices, completion.usage)
        if charge.less(order.worst) != Spend():
            self._overspent(call.key, charge, order.worst)
            reply = reply.model_copy(update={"notice": _dearer(call.key, charge, order.worst)})
        return await until_stored(lambda: self._replies.save(order, reply, charge, call.texts(reply)), until)

    def _writer(self, call: Call[Paid]) -> TokenWriter:
        return TokenWriter(self._log, call.key, call.attempt, call.gate, lost=self._lost)

    async def _retell(self, call: Call[Paid], saved: Paid) -> None:
        """Who waits for the words of this attempt gets those of the reply that was saved."""
        if call.shown is not None:
            async with self._writer(call) as say:
                await say(call.retold(saved))


def _caller(call: Call[Any]) -> Caller:
    """The run's own priority goes with it; no two attempts of any run share a request id."""
    # Temporal tells an activity 0 where nobody set a priority.
    priority = activity.info().priority.priority_key or DEFAULT_PRIORITY
    return Caller(call.key.tenant, f"{call.key.run_id}-{call.key.step}-{call.attempt}", priority)


async def _unheard(_: str, __: Usage | None) -> None:
    """Nobody waits for the words, but a reply that streams can be called off."""


def _worst(call: Call[Any], prices: Prices) -> Spend:
    """What an attempt with so many tokens may cost at most: the steps and the money are no request's to say."""
    tokens = {"input_tokens": call.worst.input_tokens, "output_tokens": call.sampling.max_output_tokens}
    return Spend(steps=1, micro_dollars=prices.of(**tokens), **tokens)


def _require_fitting(call: Call[Any], window: int) -> None:
    """Raise `PromptTooLarge` for a prompt that may have more tokens than are reserved.

    A tokenizer makes no more tokens than there are bytes. Where the whole window of the deployment is reserved, its
    server keeps to it.
    """
    reserved, size = call.worst.input_tokens, _bytes(call.prompt)
    if size > reserved and reserved < window - call.sampling.max_output_tokens:
        raise PromptTooLarge(
            f"{call.key.step}: the prompt has {size:,} bytes, and {reserved:,} tokens are reserved for it: "
            "nothing was sent; reserve as many tokens as the texts have bytes"
        )


def _bytes(prompt: Prompt) -> int:
    """The bytes of all that a tokenizer reads, but what a chat template adds."""
    said = [message.content for message in prompt.messages]
    said += [f"{call.name}{call.arguments}" for message in prompt.messages for call in message.tool_calls]
    said += [f"{tool.name}{tool.description}{_compact(tool.parameters)}" for tool in prompt.tools]
    return sum(len(text.encode(errors="replace")) for text in said)


def _compact(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _charge(prices: Prices, used: Usage | None) -> Spend:
    """What a call cost, or cost at least: a step, and what its server has reported."""
    if used is None:
        return Spend(steps=1)
    price = prices.of(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
    return Spend(steps=1, input_tokens=used.input_tokens, output_tokens=used.output_tokens, micro_dollars=price)


def _dearer(key: StepKey, charge: Spend, worst: Spend) -> str:
    """What a reader of the run's result is told of a call that cost more than it may."""
    return (
        f"{key.step} cost more than was reserved for it: {charge.input_tokens} + {charge.output_tokens} tokens and "
        f"{charge.micro_dollars} micro-dollars, of {worst.input_tokens} + {worst.output_tokens} and "
        f"{worst.micro_dollars}: its model's server does not keep to the request"
    )
