"""Agents whose calls people decide about, without a file of their own; and somebody who signs what people say."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from perdure.client import Platform
from perdure.contracts.agents.agent import AgentSpec
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.credentials import LIFETIME, claims_of
from perdure.contracts.tool_calls.decisions import PendingStep, Ruling, StepDecision
from perdure.runs import workflow_id
from tests.support.waiting import until
from tools.folder import all_tools

GRANTED = ("calculator", "create_ticket", "send_message", "ask_person")


@dataclass
class Grants:
    """What the agent of the tests is granted. A test changes it before it starts a run."""

    policies: dict[str, ApprovalPolicy] = field(default_factory=dict[str, ApprovalPolicy])

    def spec(self, name: str) -> AgentSpec:
        """The agent, under whatever name."""
        known = all_tools()
        specs = [known[tool].spec() for tool in GRANTED]
        return AgentSpec(
            name=name,
            digest="0" * 64,
            tier="fast",
            instructions=Text.of(json.dumps([{"role": "system", "content": "You help."}])),
            tools=tuple(one.model_copy(update={"policy": self.policies.get(one.name)}) for one in specs),
            max_output_tokens=200,
            wait=timedelta(milliseconds=50),
        )


def calls(*asked: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A model's turn that asks for tools."""
    return {"tool_calls": [{"name": name, "arguments": dict(arguments)} for name, arguments in asked]}


def message(text: str = "hi", to: str = "bob") -> tuple[str, dict[str, Any]]:
    """A call that a person has to agree to."""
    return "send_message", {"to": to, "text": text}


async def waiting(platform: Platform, run: str, count: int = 1, tenant: str = "default") -> Sequence[PendingStep]:
    """What waits in a run, once that many steps do."""
    found: Sequence[PendingStep] = ()

    async def enough() -> bool:
        nonlocal found
        found = await platform.pending(run, tenant=tenant)
        return len(found) >= count

    await until(enough, what=f"{count} steps wait in {run}", every=0.05)
    return found


def decision(step: PendingStep, by: str = "eve", ruling: Ruling = Ruling.APPROVE, **fields: Any) -> StepDecision:
    """What somebody says about a step."""
    named: dict[str, Any] = {"decision_id": uuid.uuid4().hex, **fields}
    return StepDecision(step=step.step, digest=step.digest, ruling=ruling, by=by, **named)


KEY = ECKey.generate_key("P-256", parameters={"kid": "tests"})
"""What the tests' identity service signs with."""

PUBLIC = json.dumps(KEY.as_dict(private=False))


def signed(
    said: StepDecision,
    run: str,
    /,
    *,
    key: ECKey = KEY,
    now: datetime | None = None,
    groups: tuple[str, ...] = (),
    lifetime: timedelta = LIFETIME,
    **other: Any,
) -> StepDecision:
    """The same with a credential for a run of the tenant `default`; `other` are claims that say something else."""
    claims = claims_of(
        said, workflow_id("default", run), now=now or datetime.now(UTC), groups=groups, lifetime=lifetime
    )
    token = jwt.encode({"alg": "ES256", "kid": key.kid}, {**claims, **other}, key, algorithms=["ES256"])
    return said.model_copy(update={"credential": token})
