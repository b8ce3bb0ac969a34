"""Reads a record from a document: pins its text and schema, buys a model's reading, and looks every value up."""

import asyncio

from activities.authorization.registration import Registration
from activities.bodies import texts
from activities.paid.purchasing import Call, Purchasing
from activities.paid.question_digest import question_of
from activities.ports import (
    BlobStore,
    Catalogue,
    Completion,
    Documents,
    NotConfigured,
    Rules,
    Sampling,
    UnreadableDocument,
    digest_of,
    nothing_sent,
)
from activities.prompts import record
from activities.text.records import read_record
from activities.text.structured_reply import storable
from activities.tool_calls.results import REFUSAL, plain_line
from agents.extraction_prompt import document_lines
from agents.loader import BadSpec
from agents.schemas import Schemas
from perdure.contracts.chains.extraction import ExtractionSpec
from perdure.contracts.chains.steps import Extract, Parse, Parsed, RecordRead, Validate, Validated
from perdure.contracts.runs.registry import RegisteredRun
from perdure.contracts.text import Text
from workflows.effects import EXTRACT, PARSE, VALIDATE


class Parsing:
    """The effect `parse`."""

    def __init__(
        self,
        schemas: Schemas,
        catalogue: Catalogue,
        documents: Documents,
        blobs: BlobStore,
        registration: Registration,
    ) -> None:
        self._schemas = schemas
        self._catalogue = catalogue
        self._documents = documents
        self._blobs = blobs
        self._registration = registration

    @PARSE.activity
    async def parse(self, ask: Parse) -> Parsed:
        """Parse a file and register the run. Safe to run twice: the first registration stays, also after a reset."""
        execution, run = await self._registration.look(ask.tenant)
        spec = self._spec(ask) if run is None else await self._registered(ask.tenant, run)
        deployment = self._catalogue.deployment_for(spec.tier)
        unreadable, losses = "", tuple[str, ...]()
        try:
            if ask.file.text is not None:
                data = (await texts.read(self._blobs, ask.tenant, ask.file.text)).encode()
            else:
                data = ask.file.content or b""
            file = await self._documents.read(ask.file.name, data, tenant=ask.tenant)
            body, losses = file.text, file.losses
        except UnreadableDocument as error:
            body, unreadable = "", str(error)
        document = Text.of(body)
        plain = spec.model_copy(update={"instructions": spec.instructions.reference()})
        pinned = Text.of(plain.model_dump_json())
        await texts.store(self._blobs, ask.tenant, spec.instructions, document, pinned)
        if run is None:
            await self._registration.register(
                execution,
                tenant=ask.tenant,
                spec=spec.name,
                pinned=pinned.digest,
                budget=ask.budget,
                caller=ask.caller,
            )
        return Parsed(
            spec=plain,
            deployment=deployment,
            document=document.carried(),
            lines=len(await asyncio.to_thread(document_lines, body)),  # a long one would hold up the event loop
            unreadable=unreadable,
            losses=losses,
        )

    def _spec(self, ask: Parse) -> ExtractionSpec:
        """Return the schema as its file is now."""
        try:
            spec = self._schemas.extraction(ask.schema_name)
        except BadSpec as error:
            raise NotConfigured(str(error)) from None
        return spec if ask.tier is None else spec.model_copy(update={"tier": ask.tier})

    async def _registered(self, tenant: str, run: RegisteredRun) -> ExtractionSpec:
        """Return the schema that the run has registered, even if its file has changed since."""
        return ExtractionSpec.model_validate_json(await self._blobs.get(tenant, run.pinned))


class Extraction:
    """The effect `extract`."""

    def __init__(self, purchasing: Purchasing, blobs: BlobStore) -> None:
        self._purchasing = purchasing
        self._blobs = blobs

    @EXTRACT.activity
    async def extract(self, ask: Extract) -> RecordRead:
        """Buy a reading, once for each attempt. A reply that an earlier attempt saved is returned instead."""
        with nothing_sent():
            prompt = await record.prompt_of(ask, self._blobs)
        prompt_digest = digest_of(prompt)

        def read(completion: Completion) -> RecordRead:
            return RecordRead(
                said=Text.of(storable(completion.content)),
                model=completion.model,
                finish_reason=completion.finish_reason,
                refusal=plain_line(completion.refusal, REFUSAL),
                prompt_digest=prompt_digest,
                charges={},
            )

        return await self._purchasing.buy(
            Call(
                key=ask.key,
                attempt=ask.attempt,
                question=question_of(ask),
                deployment=ask.deployment.priced,
                prompt=prompt,
                sampling=Sampling(max_output_tokens=ask.worst.output_tokens),
                worst=ask.worst,
                read=read,
                stopped_reply=RecordRead(
                    said=Text.of(""), model="", finish_reason="stopped", prompt_digest=prompt_digest, charges={}
                ),
                texts=lambda reply: [reply.said],
            )
        )


class Validation:
    """The effect `validate`."""

    def __init__(self, rules: Rules, blobs: BlobStore) -> None:
        self._rules = rules
        self._blobs = blobs

    @VALIDATE.activity
    async def validate(self, ask: Validate) -> Validated:
        """Validate a record against its document and the business rules. Safe to run twice: it only reads."""
        body, reply = await texts.read_all(self._blobs, ask.tenant, [ask.document, ask.said])
        record, problems = await asyncio.to_thread(read_record, ask.spec, body, reply)
        # A rule cannot judge a record with values that could not be read.
        broken = () if problems else await self._rules.check(ask.spec.rules, record)
        return Validated(record=record, problems=(*problems, *broken))
