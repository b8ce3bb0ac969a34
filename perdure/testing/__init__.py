"""Test equipment for authors of agents and tools: a checkout's stack, a scripted model, and worker kills."""

from perdure.testing.bill import Bill, BilledCall
from perdure.testing.checkout import Checkout, CheckoutUnusable
from perdure.testing.desk import Desk
from perdure.testing.kills import KillPoint, kill_points
from perdure.testing.once import assert_once
from perdure.testing.people import decide
from perdure.testing.program import ProgramFailed
from perdure.testing.script import Script, ScriptedCall, Turn, answer, calls
from perdure.testing.stack import RunningStack, embedded_stack
from perdure.testing.stub import StubModel, stub_model

__all__ = [
    "Bill",
    "BilledCall",
    "Checkout",
    "CheckoutUnusable",
    "Desk",
    "KillPoint",
    "ProgramFailed",
    "RunningStack",
    "Script",
    "ScriptedCall",
    "StubModel",
    "Turn",
    "answer",
    "assert_once",
    "calls",
    "decide",
    "embedded_stack",
    "kill_points",
    "stub_model",
]
