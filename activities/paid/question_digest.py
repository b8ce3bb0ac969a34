"""The digest of a workflow's question to a paid step: a saved reply answers exactly this question.

It covers the workflow's decisions and nothing that is derived from them. So the question stays the same after a
fallback to another deployment, or with a new wording of prompts.
"""

import hashlib
import json
from typing import assert_never

from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import Think
from perdure.contracts.chains.steps import Extract, Generate, Repair
from perdure.contracts.contract import Digest


def question_of(ask: Think | Compact | Generate | Extract) -> Digest:
    """Return the SHA-256 over the digests of the conversation, the texts, the pinned spec and the repair."""
    match ask:
        case Think():
            question = ["think", ask.pinned.digest, ask.transcript.head]
        case Compact():
            question = ["compact", ask.pinned.digest, ask.transcript.head, ask.covers]
        case Generate():
            passages = [passage.reference().model_dump(mode="json") for passage in ask.passages]
            parts = [part.digest for part in ask.parts]
            question = ["generate", ask.instructions.digest, parts, passages, _repair(ask.repair)]
        case Extract():
            question = ["extract", ask.spec.model_dump(mode="json"), ask.document.digest, _repair(ask.repair)]
        case never:
            assert_never(never)
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


def _repair(repair: Repair | None) -> list[object]:
    return [] if repair is None else [repair.said.digest, [str(problem) for problem in repair.problems]]
