"""One paid call of a model: recorded before it is made, told while it is written, saved before it is acknowledged."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from temporalio import activity

from activities.daily import DailyWindows
from activities.patience import once_it_can
from activities.ports import (
    Caller,
    Completion,
    Model,
    Paid,
    PaidReplies,
    PortError,
    Prompt,
    Sampling,
    TokenLog,
    Usage,
    nothing_sent,
)
from activities.token_writer import Lost, TokenWriter
from perdure.contracts.budget import Spend
from perdure.contracts.spec import PricedDeployment
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text

DEFAULT_PRIORITY = 3
"""Temporal's, of 1 to 5."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[Paid]):
    """What is bought, and how its reply is read."""

    key: StepKey
    attempt: int
    deployment: PricedDeployment
    prompt: Prompt
    sampling: Sampling
    worst: Spend
    """What it may cost at most: as much is set aside of the tenant's day."""
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


class Purchasing:
    """Buys from a model."""

    def __init__(self, model: Model, replies: PaidReplies, days: DailyWindows, log: TokenLog, lost: Lost) -> None:
        """`lost` hears that the log of an attempt failed, which is all that comes of it."""
        self._model = model
        self._replies = replies
        self._days = days
        self._log = log
        self._lost = lost

    async def buy(self, call: Call[Paid]) -> Paid:
        """The reply that an earlier attempt saved, or one that is bought now.

        Where the run calls it off, the provider's socket closes, and the reply says what the call cost at least. Raises
        `WindowSpent` where the tenant's day does not cover the call, and as the ports do.
        """
        with nothing_sent():
            saved = await self._replies.begin(call.key, call.attempt, type(call.silent), call.before)
        if saved is not None:
            await self._days.settle(call.key, saved.charges)
            await self._retell(call, saved)
            return saved
        with nothing_sent():
            held = await self._days.hold(call.key, call.attempt, call.worst)
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
                await self._days.give_back(held)
            raise
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if details is None or not details.cancel_requested:
                raise  # the worker stops: the workflow tries again
            return call.silent.model_copy(
                update={"stopped": True, "charges": {call.attempt: _charge(call.deployment, used)}}
            )
        first = None if completion.first_token_ms is None else round(completion.first_token_ms, 1)
        reply = call.read(completion).model_copy(update={"first_token_ms": first})
        charge = _charge(call.deployment, completion.usage)
        texts = call.texts(reply)
        bought = await once_it_can(lambda: self._replies.save(call.key, call.attempt, reply, charge, texts))
        await once_it_can(lambda: self._days.settle(call.key, bought.charges, held))
        return bought

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


def _charge(deployment: PricedDeployment, used: Usage | None) -> Spend:
    """What a call cost, or cost at least: a step, and what its server has reported."""
    if used is None:
        return Spend(steps=1)
    price = deployment.prices.of(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
    return Spend(steps=1, input_tokens=used.input_tokens, output_tokens=used.output_tokens, micro_dollars=price)
