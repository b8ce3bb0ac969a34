"""The spec, the prices and the deployment of a run, which its first effect pins in its history."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from perdure.contracts.budget import Spend
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text


class ScreeningOrder(StrEnum):
    """When a question is screened, relative to the rest of the run."""

    FIRST = "first"
    """Before anything else: a refused question costs nothing."""
    BESIDE = "beside"
    """While the answer is being written. Nothing is shown before the verdict, and a refusal cancels the rest."""


class ChainSpec(Contract):
    """A chain as its TOML file described it when the run started. Editing the file never changes a running run."""

    name: Name
    digest: Digest
    """SHA-256 of the TOML file: which edition of the chain this run follows."""
    collection: Name
    """The collection of documents that it answers from."""
    tier: Name
    """The tier of models that the chain uses."""
    instructions: Text
    """The system prompt."""
    passages: int = Field(ge=1, le=20)
    """The most passages for each part of a question."""
    sentences: int = Field(ge=1, le=50)
    """The most sentences of these passages that the model sees for each part."""
    sentence_margin: float = Field(default=1.0, ge=0)
    """The largest distance from the best sentence, in cosine similarity. A sentence further away is left out."""
    minimum_relevance: float
    """The cosine similarity below which a passage is irrelevant. If all passages are, the chain abstains."""
    max_output_tokens: int = Field(ge=1)
    """The most tokens of one reply."""
    attempts: int = Field(ge=1, le=10)
    """The most attempts of a paid effect."""
    wait: timedelta = timedelta(0)
    """The wait before the second attempt of a paid effect; it doubles for each further one."""
    repairs: int = Field(default=0, ge=0, le=5)
    """How often the model is shown the problems of its reply and asked again."""
    screening: ScreeningOrder = ScreeningOrder.FIRST
    """When the question is screened."""
    screen: tuple[GuardSpec, ...] = ()
    """Guards over the question."""
    check: tuple[GuardSpec, ...] = ()
    """Guards over the answer."""


class Prices(Contract):
    """The prices of a model, in micro-dollars per million tokens."""

    input: int = Field(ge=0)
    """The price of prompt tokens."""
    output: int = Field(ge=0)
    """The price of reply tokens."""

    def of(self, *, input_tokens: int, output_tokens: int) -> int:
        """Return the price in micro-dollars, rounded up."""
        return -(-(input_tokens * self.input + output_tokens * self.output) // 1_000_000)


class PricedDeployment(Contract):
    """The part of a deployment that a paid call needs.

    It is small on purpose: a run makes thousands of calls, and its history holds each request.
    """

    name: Name
    prices: Prices


class Deployment(Contract):
    """The deployment of a paid attempt. Its endpoint is looked up when the call is made."""

    name: Name
    tier: Name
    task_queue: str
    """The endpoint's own task queue, so that a hung endpoint does not block others."""
    context_window: int = Field(ge=1)
    """The most tokens of prompt and answer together."""
    prices: Prices

    @property
    def priced(self) -> PricedDeployment:
        """The part of it that a paid call needs."""
        return PricedDeployment(name=self.name, prices=self.prices)

    def worst_case(self, *, input_tokens: int, output_tokens: int) -> Spend:
        """Return the most that one attempt may cost."""
        return Spend(
            steps=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            micro_dollars=self.prices.of(input_tokens=input_tokens, output_tokens=output_tokens),
        )
