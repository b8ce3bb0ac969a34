"""The requests of chains and extractions to their effects, and the replies of the effects."""

import hashlib
import json
from typing import Literal

from pydantic import Field

from perdure.contracts.budget import Budget, Charged, Spend
from perdure.contracts.chains.extraction import ExtractionSpec, Problem, Record
from perdure.contracts.chains.knowledge import Citation, Passage
from perdure.contracts.chains.spec import ChainSpec, Deployment
from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.text import Text


class StepKey(Contract):
    """The key of one step of one run: attempts and replies are stored under it. It always names the tenant."""

    tenant: Name
    workflow_id: str
    """Temporal's workflow id of the run, `tenant:business id`."""
    run_id: str
    """The first execution's run id. It stays the same after a reset and a continue-as-new, and no other run has it."""
    step: str
    """The step's name, unique in its run."""

    @property
    def idempotency_key(self) -> str:
        """The key that an idempotent tool passes on: the same for all attempts of a step, different for every step.

        SHA-256 of tenant, run and step, in hexadecimal: it reveals none of them.
        """
        named = json.dumps([self.tenant, self.run_id, self.step])
        return hashlib.sha256(named.encode()).hexdigest()


class Route(Contract):
    """Pin the spec and the deployment of this run."""

    tenant: Name
    chain: Name
    tier: Name | None
    """The tier of models to use; None for the chain's own tier."""
    question: Text
    """The question, with its body: this first request carries the caller's text, and the effect stores it."""
    budget: Budget = Budget()
    """The run's budget. Its account is opened with it."""
    caller: Digest | None = None
    """The ticket of the caller's token; None for an anonymous start."""


class Routed(Contract):
    """The pinned spec of this run, and the deployment of its first paid attempt."""

    spec: ChainSpec
    deployment: Deployment
    parts: tuple[Text, ...]
    """The question, split where it asks several things at once; at least one part."""


class BindDeployment(Contract):
    """Choose the deployment of the next paid attempt."""

    tier: Name
    excluding: tuple[Name, ...] = ()
    """Deployments that would not serve the request. One of them is chosen only where the tier has no other."""
    window: int | None = Field(default=None, ge=0)
    """The expected tokens of the request and its reply. A deployment with a smaller context window is chosen only where
    the tier has no other. None for any deployment."""


class BoundDeployment(Contract):
    """The deployment of the next paid attempt."""

    deployment: Deployment


class Screen(Contract):
    """Check a question, or a document, before anything is shown for it."""

    tenant: Name
    chain: Name
    question: Text
    """The question, with its body: this first request carries the caller's text, and `route` stores it."""
    spec: ChainSpec | None = None
    """The spec whose guards run; None for the chain's current guards, as in the first request, before the spec is
    pinned."""
    guards: tuple[GuardSpec, ...] | None = None
    """The guards to run, where an extraction or an agent has pinned them; None to use the chain's."""


class Screened(Contract):
    """The verdicts of guards on the question."""

    spec_digest: Digest | None
    """The edition of the chain whose guards ran; None where the request named the guards."""
    verdicts: tuple[Verdict, ...]


class Retrieve(Contract):
    """Find the passages that are relevant to each part of a question."""

    tenant: Name
    collection: Name
    parts: tuple[Text, ...]
    """The parts of the question."""
    passages: int = Field(ge=1)
    """The most passages for each part."""
    sentences: int = Field(ge=1)
    """The most sentences for each part, from all of its passages together."""
    sentence_margin: float = Field(default=1.0, ge=0)
    """The largest distance from the best sentence of a part, in cosine similarity. A sentence further away is left out.
    """


class Retrieved(Contract):
    """The passages that apply today, the best first within each part."""

    passages: tuple[Passage, ...]


class PaidReply(Contract):
    """The base of the reply of every paid effect: the known cost of its step."""

    charges: dict[int, Spend]
    """The known cost of each attempt of this step, by attempt number."""
    stopped: bool = False
    """Whether the call was cancelled while it ran. Then there is no reply, and the charge is the least that it cost."""
    notice: str = ""
    """A note for a reader of the run's result, such as a cost above the reservation; empty for none."""
    first_token_ms: float | None = None
    """Milliseconds from the call to the first piece of the reply; None where it did not stream."""
    finish_reason: str = ""
    """Why the reply ended: `stop`, `length`, `tool_calls`, `content_filter`, `prompt_filter` or `refusal`."""
    refusal: str = ""
    """The model's words where it refused, shortened to one line; empty where it did not."""
    account: Charged | None = None
    """The run's account after it; None in a run's first execution, which knows all that was charged."""

    @property
    def charge(self) -> Spend | None:
        """The charge of the attempt that bought the reply; None where no charge is known.

        It need not be the newest attempt. Where a worker dies between saving and acknowledging a reply, the next
        attempt gets that reply and is charged nothing.
        """
        return max(self.charges.values(), key=lambda one: (one.input_tokens, one.output_tokens), default=None)


class Unusable(Contract):
    """Why no reply of a model can be used: nothing of it is shown as an answer, and nothing of it is executed."""

    by: Literal["limit", "model", "provider"]
    """What ended the reply: its limit of tokens, the model's own refusal, or the content filter of its provider."""
    reason: str
    words: str = ""
    """The words of the model's refusal or of its provider's; empty for none."""


class Repair(Contract):
    """The model's own reply and its problems, shown to the model when it is asked again."""

    said: Text
    problems: tuple[Problem, ...]


class Generate(Contract):
    """Write an answer from passages. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    """The number of the attempt, from 1."""
    deployment: Deployment
    instructions: Text
    """The system prompt."""
    parts: tuple[Text, ...]
    """The parts of the question."""
    passages: tuple[Passage, ...]
    worst: Spend
    """The reservation of this attempt. The prompt and the answer are kept within it."""
    repair: Repair | None = None
    """The problems of the reply before; None for the first reply."""
    gate: Digest | None = None
    """The edition of the chain whose guards have to pass the question before any word is shown; None where they have.
    """


class Generated(PaidReply):
    """The model's reply, or the saved reply of an earlier attempt of the step."""

    answer: Text | None
    """The answer; None where the model found that the passages do not answer the question."""
    citations: tuple[Citation, ...]
    model: str
    """The model that answered, as its server names itself."""
    prompt_digest: Digest
    """SHA-256 of the exact request that was sent."""
    said: Text | None = None
    """The model's reply, word for word, where it has problems; None otherwise."""
    problems: tuple[Problem, ...] = ()
    """The problems that make the reply unusable; empty where it can be used."""


class Check(Contract):
    """Check an answer and its citations before they are shown."""

    tenant: Name
    guards: tuple[GuardSpec, ...]
    answer: Text
    citations: tuple[Citation, ...]
    refusal: bool = False
    """Whether the text is no answer but the words of a refusal: guards that compare quotes then do not run."""


class Checked(Contract):
    """The verdicts of guards on the answer."""

    verdicts: tuple[Verdict, ...]


class DocumentFile(Contract):
    """A document from a caller: its text, or the bytes of its file."""

    name: str = Field(default="document.txt", min_length=1, max_length=200)
    """The file's name. Its ending says the type: `.txt`, `.md`, `.html`, `.pdf`."""
    text: Text | None = None
    """The document's text; None where `content` is given."""
    content: bytes | None = None
    """The file's bytes, Base64 in JSON; None where `text` is given."""


class Parse(Contract):
    """Read a document's text, and pin the schema and the deployment of its extraction."""

    tenant: Name
    schema_name: Name
    tier: Name | None
    """The tier of models to use; None for the schema's own tier."""
    file: DocumentFile
    budget: Budget = Budget()
    """The run's budget. Its account is opened with it."""
    caller: Digest | None = None
    """The ticket of the caller's token; None for an anonymous start."""


class Parsed(Contract):
    """The pinned schema of this extraction, the deployment of its first paid attempt, and the document's text."""

    spec: ExtractionSpec
    deployment: Deployment
    document: Text
    lines: int = Field(default=0, ge=0)
    """The number of lines in the text. The model refers to lines by number."""
    unreadable: str = ""
    """Why the document has no readable text; empty where it has."""
    losses: tuple[str, ...] = ()
    """What the reader left out of the document's text, or could not read as it was meant; empty for nothing."""


class Extract(Contract):
    """Read a document's fields. One paid attempt."""

    key: StepKey
    attempt: int = Field(ge=1)
    """The number of the attempt, from 1."""
    deployment: Deployment
    spec: ExtractionSpec
    document: Text
    worst: Spend
    """The reservation of this attempt. The prompt and the reply are kept within it."""
    repair: Repair | None = None
    """The problems of the reply before; None for the first reply."""


class RecordRead(PaidReply):
    """The model's reply with a record, as it wrote it."""

    said: Text
    """The reply, word for word. Nothing in it is checked yet."""
    model: str
    prompt_digest: Digest


class Validate(Contract):
    """Read a record from the model's reply, find each value in the document, and check the business rules."""

    tenant: Name
    spec: ExtractionSpec
    document: Text
    said: Text


class Validated(Contract):
    """The record as far as it could be read, and its problems."""

    record: Record
    problems: tuple[Problem, ...]
    """All problems of the record; empty where it is valid."""
