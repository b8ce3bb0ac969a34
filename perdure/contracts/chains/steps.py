"""What a workflow asks of each effect, and what each effect replies."""

import hashlib
import json

from pydantic import Field

from perdure.contracts.budget import Budget, Charged, Spend
from perdure.contracts.chains.extraction import ExtractionSpec, Problem, Record
from perdure.contracts.chains.knowledge import Citation, Passage
from perdure.contracts.chains.spec import ChainSpec, Deployment
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.text import Text


class StepKey(Contract):
    """The name of one step of one run, under which attempts and replies are kept. The tenant is in every key."""

    tenant: Name
    workflow_id: str
    run_id: str
    """The first execution's run id: it outlives a reset and a continue-as-new, and no other run has it."""
    step: str

    @property
    def idempotency_key(self) -> str:
        """What an idempotent tool passes on: the same for all attempts, another for every other step.

        SHA-256 of tenant, run and step, in hexadecimal: it tells nobody whose it is.
        """
        named = json.dumps([self.tenant, self.run_id, self.step])
        return hashlib.sha256(named.encode()).hexdigest()


class Route(Contract):
    """Pin what decides this run."""

    tenant: Name
    chain: Name
    tier: Name | None
    question: Text
    """With its body: the first hop carries the caller's text and stores it."""
    budget: Budget = Budget()
    """The run's own: its account is opened with it."""
    caller: Digest | None = None
    """The ticket of the token that the starter has shown; None where none was shown."""


class Routed(Contract):
    """What decides this run, and where its first paid attempt goes."""

    spec: ChainSpec
    deployment: Deployment
    parts: tuple[Text, ...]
    """The question, taken apart where it asks several things at once; at least one part."""


class BindDeployment(Contract):
    """Choose the deployment of the next paid attempt."""

    tier: Name
    excluding: tuple[Name, ...] = ()
    """Deployments that would not serve the request: the last choice, where the tier has others."""
    window: int | None = Field(default=None, ge=0)
    """Tokens that the request is expected to take, its reply among them: a deployment whose window holds less is no
    choice, where the tier has another. None where any will do."""


class BoundDeployment(Contract):
    """Where the next paid attempt goes."""

    deployment: Deployment


class Screen(Contract):
    """Check a question, or a document, before anything is shown for it."""

    tenant: Name
    chain: Name
    question: Text
    """With its body: the first hop carries the caller's text, and `route` stores it."""
    spec: ChainSpec | None = None
    """Whose guards to run; None to take the chain's as they are now, in the first hop, before anything is pinned."""
    guards: tuple[GuardSpec, ...] | None = None
    """The guards themselves, where something other than a chain has pinned them."""


class Screened(Contract):
    """What the guards found in the question."""

    spec_digest: Digest | None
    """The edition of the chain whose guards ran; None where they were named themselves."""
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
    stopped: bool = False
    """Whether the call was called off while it ran. It says nothing then, and its charge is what it cost at least."""
    notice: str = ""
    """What a reader of the run's result should know of the call: that it cost more than was reserved for it."""
    first_token_ms: float | None = None
    """Milliseconds from the call to the first piece of the reply; None where it did not stream."""
    account: Charged | None = None
    """What the run's account holds after it; None in a run's first execution, which knows of all that was charged."""

    @property
    def charge(self) -> Spend | None:
        """What the attempt that bought the reply was charged; None where no charge is known.

        It need not be the newest: one whose worker died between saving and acknowledging is followed by an attempt
        that gets its reply and is charged nothing.
        """
        return max(self.charges.values(), key=lambda one: (one.input_tokens, one.output_tokens), default=None)


class Repair(Contract):
    """What the model is shown of its own reply when it is asked again."""

    said: Text
    """The reply, word for word."""
    problems: tuple[Problem, ...]


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
    repair: Repair | None = None
    """What was wrong with the reply before; None for the first."""
    gate: Digest | None = None
    """The edition of the chain by whose guards the question must have passed before a word is shown; None where it has.
    """


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
    said: Text | None = None
    """What the model said, word for word, where there are problems with it."""
    problems: tuple[Problem, ...] = ()
    """Why the reply cannot be used; nothing where it can."""


class Check(Contract):
    """Check an answer and its citations before they are shown."""

    tenant: Name
    guards: tuple[GuardSpec, ...]
    answer: Text
    citations: tuple[Citation, ...]


class Checked(Contract):
    """What the guards found in the answer."""

    verdicts: tuple[Verdict, ...]


class DocumentFile(Contract):
    """A document as a caller hands it over: its text, or the bytes of its file."""

    name: str = Field(default="document.txt", min_length=1, max_length=200)
    """The file's name. Its ending says what it is: `.txt`, `.md`, `.html`, `.pdf`."""
    text: Text | None = None
    content: bytes | None = None
    """The file's bytes; Base64 in JSON."""


class Parse(Contract):
    """Read a document's text, and pin what decides its extraction."""

    tenant: Name
    schema_name: Name
    tier: Name | None
    file: DocumentFile
    budget: Budget = Budget()
    """The run's own: its account is opened with it."""
    caller: Digest | None = None
    """The ticket of the token that the starter has shown; None where none was shown."""


class Parsed(Contract):
    """What decides this extraction, where its first paid attempt goes, and the document's text."""

    spec: ExtractionSpec
    deployment: Deployment
    document: Text
    lines: int = Field(default=0, ge=0)
    """How many lines the text has: the model points at their numbers."""
    unreadable: str = ""
    """Why the document has no text that can be read; empty where it has."""


class Extract(Contract):
    """Read a document's fields. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    deployment: Deployment
    spec: ExtractionSpec
    document: Text
    worst: Spend
    """What is reserved for this attempt: the prompt and the reply are kept within it."""
    repair: Repair | None = None
    """What was wrong with the reply before; None for the first."""


class RecordRead(PaidReply):
    """What the model read, as it wrote it."""

    said: Text
    """Its reply, word for word: nothing of it is checked yet."""
    model: str
    finish_reason: str
    prompt_digest: Digest


class Validate(Contract):
    """Read the model's reply as a record, find each value in the document, and check the business rules."""

    tenant: Name
    spec: ExtractionSpec
    document: Text
    said: Text


class Validated(Contract):
    """The record as far as it could be read, and everything that is wrong with it."""

    record: Record
    problems: tuple[Problem, ...]
    """Nothing where the record is valid."""
