"""What a workflow asks of each effect, and what each effect replies."""

from pydantic import Field

from perdure.contracts.budget import Spend
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.knowledge import Citation, Passage
from perdure.contracts.spec import ChainSpec, Deployment
from perdure.contracts.text import Text


class StepKey(Contract):
    """The name of one step of one run, under which attempts and replies are kept. The tenant is in every key."""

    tenant: Name
    workflow_id: str
    run_id: str
    """The first execution's run id: it outlives a reset and a continue-as-new, and no other run has it."""
    step: str


class Route(Contract):
    """Pin what decides this run."""

    tenant: Name
    chain: Name
    tier: Name | None
    question: Text
    """With its body: the first hop carries the caller's text and stores it."""


class Routed(Contract):
    """What decides this run, and where its first paid attempt goes."""

    spec: ChainSpec
    deployment: Deployment
    parts: tuple[Text, ...]
    """The question, taken apart where it asks several things at once; at least one part."""


class BindDeployment(Contract):
    """Choose the deployment of the next paid attempt."""

    tier: Name


class BoundDeployment(Contract):
    """Where the next paid attempt goes."""

    deployment: Deployment


class Screen(Contract):
    """Check a question before anything is shown for it."""

    tenant: Name
    chain: Name
    question: Text
    """With its body: the first hop carries the caller's text, and `route` stores it."""
    spec: ChainSpec | None = None
    """Whose guards to run; None to take the chain's as they are now, in the first hop, before anything is pinned."""


class Screened(Contract):
    """What the guards found in the question."""

    spec_digest: Digest
    """The edition of the chain whose guards ran."""
    verdicts: tuple[Verdict, ...]


class Retrieve(Contract):
    """Find the passages that speak to each part of a question."""

    tenant: Name
    collection: Name
    parts: tuple[Text, ...]
    passages: int = Field(ge=1)
    """Passages for each part."""
    sentences: int = Field(ge=1)
    """Sentences for each part at most, from all of its passages together."""
    sentence_margin: float = Field(default=1.0, ge=0)
    """Cosine similarity: a sentence this much further from its part than the best one is left out."""


class Retrieved(Contract):
    """The passages that apply today, best first within each part."""

    passages: tuple[Passage, ...]


class PaidReply(Contract):
    """What every paid effect replies: what its step is known to have cost."""

    charges: dict[int, Spend]
    """What each attempt of this step is known to have cost, by attempt number."""


class Generate(Contract):
    """Write an answer from passages. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    deployment: Deployment
    instructions: Text
    parts: tuple[Text, ...]
    passages: tuple[Passage, ...]
    worst: Spend
    """What is reserved for this attempt: the prompt and the answer are kept within it."""


class Generated(PaidReply):
    """What the model wrote, or what an earlier attempt of the step had saved."""

    answer: Text | None
    """None where the model found that the passages do not answer the question."""
    citations: tuple[Citation, ...]
    model: str
    """The model that answered, as its server names itself."""
    finish_reason: str
    prompt_digest: Digest
    """SHA-256 of the exact request that was sent."""


class Check(Contract):
    """Check an answer and its citations before they are shown."""

    tenant: Name
    guards: tuple[GuardSpec, ...]
    answer: Text
    citations: tuple[Citation, ...]


class Checked(Contract):
    """What the guards found in the answer."""

    verdicts: tuple[Verdict, ...]
