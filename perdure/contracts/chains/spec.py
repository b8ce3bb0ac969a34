"""What decides a run, pinned in its history by its first effect."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from perdure.contracts.budget import Spend
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text


class ScreeningOrder(StrEnum):
    """When a question is screened."""

    FIRST = "first"
    """Before anything else is done for it: a refused question costs nothing."""
    BESIDE = "beside"
    """While the answer is already sought: nothing is shown before the verdict, and a refusal calls the rest off."""


class ChainSpec(Contract):
    """A chain as its TOML file described it when the run started. Editing the file never changes a running run."""

    name: Name
    digest: Digest
    """SHA-256 of the TOML file: which edition of the chain this run follows."""
    collection: Name
    """The knowledge it answers from."""
    tier: Name
    instructions: Text
    """The system prompt."""
    passages: int = Field(ge=1, le=20)
    """How many passages each part of a question may use."""
    sentences: int = Field(ge=1, le=50)
    """How many sentences of these passages the model sees for each part at most."""
    sentence_margin: float = Field(default=1.0, ge=0)
    """Cosine similarity: a sentence that is this much further from the question than the best one is left out."""
    minimum_relevance: float
    """Cosine similarity below which a passage says nothing about the question; below it for all, the chain abstains."""
    max_output_tokens: int = Field(ge=1)
    attempts: int = Field(ge=1, le=10)
    """How often a paid effect is tried at most."""
    wait: timedelta = timedelta(0)
    """Before the second attempt of a paid effect; doubled for each further one."""
    repairs: int = Field(default=0, ge=0, le=5)
    """How often the model is shown what is wrong with its reply, and asked again."""
    screening: ScreeningOrder = ScreeningOrder.FIRST
    screen: tuple[GuardSpec, ...] = ()
    check: tuple[GuardSpec, ...] = ()


class Prices(Contract):
    """Micro-dollars for a million tokens, which is the same as dollars for a million million."""

    input: int = Field(ge=0)
    output: int = Field(ge=0)

    def of(self, *, input_tokens: int, output_tokens: int) -> int:
        """The price in micro-dollars, rounded up."""
        return -(-(input_tokens * self.input + output_tokens * self.output) // 1_000_000)


class PricedDeployment(Contract):
    """What a paid call has to know of its deployment: a run makes thousands, and its history has each request."""

    name: Name
    prices: Prices


class Deployment(Contract):
    """Which deployment a paid attempt uses. Its endpoint is looked up when the call is made."""

    name: Name
    tier: Name
    task_queue: str
    """The endpoint's own queue: a hung endpoint starves no other."""
    context_window: int = Field(ge=1)
    """Tokens, prompt and answer together."""
    prices: Prices

    @property
    def priced(self) -> PricedDeployment:
        """What of it is told to a paid call."""
        return PricedDeployment(name=self.name, prices=self.prices)

    def worst_case(self, *, input_tokens: int, output_tokens: int) -> Spend:
        """What one attempt may cost at most."""
        return Spend(
            steps=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            micro_dollars=self.prices.of(input_tokens=input_tokens, output_tokens=output_tokens),
        )
