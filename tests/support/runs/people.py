"""Agents whose calls people decide about, without a file of their own, and an identity service that signs decisions."""

import json
import uuid
from collections.abc import Sequence
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
from tests.support.runs.agent_runs import calls as calls  # noqa: PLC0414 - re-exported
from tests.support.waiting import until
from tools.folder import all_tools

GRANTED = ("calculator", "create_ticket", "send_message", "ask_person")


@dataclass
class Grants:
    """The grants of the tests' agent. A test changes them before it starts a run."""

    policies: dict[str, ApprovalPolicy] = field(default_factory=dict[str, ApprovalPolicy])

    def spec(self, name: str) -> AgentSpec:
        """Return the agent's spec, under any name."""
        tools = all_tools()
        specs = [tools[tool].spec() for tool in GRANTED]
        return AgentSpec(
            name=name,
            digest="0" * 64,
            tier="fast",
            instructions=Text.of(json.dumps([{"role": "system", "content": "You help."}])),
            tools=tuple(one.model_copy(update={"policy": self.policies.get(one.name)}) for one in specs),
            max_output_tokens=200,
            wait=timedelta(milliseconds=50),
        )


def message(text: str = "hi", to: str = "bob") -> tuple[str, dict[str, Any]]:
    """Return a call that needs approval."""
    return "send_message", {"to": to, "text": text}


async def waiting(platform: Platform, run: str, count: int = 1, tenant: str = "default") -> Sequence[PendingStep]:
    """Return the pending steps of a run, once there are at least so many."""
    pending: Sequence[PendingStep] = ()

    async def enough() -> bool:
        nonlocal pending
        pending = await platform.pending(run, tenant=tenant)
        return len(pending) >= count

    await until(enough, what=f"{count} steps wait in {run}", every=0.05)
    return pending


def decision(step: PendingStep, by: str = "eve", ruling: Ruling = Ruling.APPROVE, **fields: Any) -> StepDecision:
    """Return a person's decision about a step."""
    named: dict[str, Any] = {"decision_id": uuid.uuid4().hex, **fields}
    return StepDecision(step=step.step, digest=step.digest, ruling=ruling, by=by, **named)


KEY = ECKey.generate_key("P-256", parameters={"kid": "tests"})
"""The key with which the tests' identity service signs."""

PUBLIC = json.dumps(KEY.as_dict(private=False))


def signed(
    unsigned: StepDecision,
    run: str,
    /,
    *,
    key: ECKey = KEY,
    now: datetime | None = None,
    groups: tuple[str, ...] = (),
    lifetime: timedelta = LIFETIME,
    **other: Any,
) -> StepDecision:
    """Return the decision with a credential for a run of the tenant `default`; `other` replaces claims."""
    claims = claims_of(
        unsigned, workflow_id("default", run), now=now or datetime.now(UTC), groups=groups, lifetime=lifetime
    )
    token = jwt.encode({"alg": "ES256", "kid": key.kid}, {**claims, **other}, key, algorithms=["ES256"])
    return unsigned.model_copy(update={"credential": token})
