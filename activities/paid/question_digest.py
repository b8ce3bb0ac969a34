"""The digest of what a workflow asks of a paid step: a saved reply answers exactly this, and nothing else.

It holds what the workflow decided and never what follows from it. So a fallback to another deployment, or a new way to
write requests, does not make another question of the same one.
"""

import hashlib
import json
from typing import assert_never

from perdure.contracts.agents.compaction import Compact
from perdure.contracts.agents.steps import Think
from perdure.contracts.chains.steps import Extract, Generate, Repair
from perdure.contracts.contract import Digest


def question_of(ask: Think | Compact | Generate | Extract) -> Digest:
    """SHA-256 of what is asked, by digests: of the conversation, the texts, the pinned spec and the repair."""
    match ask:
        case Think():
            asked = ["think", ask.pinned.digest, ask.transcript.head]
        case Compact():
            asked = ["compact", ask.pinned.digest, ask.transcript.head, ask.covers]
        case Generate():
            passages = [passage.reference().model_dump(mode="json") for passage in ask.passages]
            parts = [part.digest for part in ask.parts]
            asked = ["generate", ask.instructions.digest, parts, passages, _repair(ask.repair)]
        case Extract():
            asked = ["extract", ask.spec.model_dump(mode="json"), ask.document.digest, _repair(ask.repair)]
        case never:
            assert_never(never)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _repair(repair: Repair | None) -> list[object]:
    return [] if repair is None else [repair.said.digest, [str(problem) for problem in repair.problems]]
